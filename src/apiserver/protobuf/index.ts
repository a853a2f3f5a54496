export { type FindSchema, ProtobufDecoder } from './decode.ts';

export { podConnector } from './connector.ts';
export type {
  CommandEnd,
  CommandOptions,
  CommandStreams,
  LogOptions,
  PodRuntime,
  TerminalSize,
} from './runtime.ts';

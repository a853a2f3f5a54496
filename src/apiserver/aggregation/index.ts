export { Aggregation, type AggregationOptions, type LocalService } from './aggregation.ts';
export { RemoteOpenApi } from './remote-openapi.ts';

export { Aggregation, type AggregationOptions, type LocalService } from './aggregation.ts';

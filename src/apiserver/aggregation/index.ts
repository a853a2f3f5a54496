export { Aggregation, type AggregationOptions } from './aggregation.ts';

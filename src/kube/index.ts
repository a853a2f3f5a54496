export * from './object.ts';
export * from './status.ts';
export * from './quantity.ts';
export * from './logger.ts';

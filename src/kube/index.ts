export * from './client.ts';
export * from './http-transport.ts';
export * from './kubeconfig.ts';
export * from './logger.ts';
export * from './object.ts';
export * from './quantity.ts';
export * from './status.ts';
export * from './transport.ts';

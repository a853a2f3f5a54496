export { NodeAgent, type AgentOptions } from './agent.ts';
export { NodeStatus, type NodeStatusOptions } from './node-status.ts';
export { NodeImages, type Pull } from './pods/node-images.ts';
export { SandboxRuntime, type SandboxOptions } from './runtime/sandbox/sandbox-runtime.ts';
export type { Endpoint, NameEntry, NetworkTable, ServiceRoute } from './keeper/protocol.ts';
export { ServiceTable } from './network/service-table.ts';
export type { Runtime } from './runtime/runtime.ts';
export { Scheduler } from './scheduler/scheduler.ts';
export { TaintEviction } from './scheduler/taint-eviction.ts';

/** The data plane's program: it serves what its parent says, on sockets that its parent has opened. */
import type { Server, Socket } from 'node:net';
import type { FromDataPlane, ToDataPlane } from '../config.ts';
import { AccessLog } from './access-log.ts';
import { Listeners } from './listeners.ts';
import { Metrics } from './metrics.ts';
import { HttpProxy } from './proxy.ts';

const tell = (message: FromDataPlane): void => {
  // Nobody is left to hear of a parent that is gone: its end is noticed below.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
};
const metrics = new Metrics();
let proxy: HttpProxy | undefined;
let listeners: Listeners | undefined;
let log: AccessLog | undefined;
/** Ports that came before it was known what to serve, with the connections that came to them. */
let early: { protocol: 'http' | 'https'; port: Server; sockets: Socket[] }[] = [];

function listen(protocol: 'http' | 'https', port: Server): void {
  if (listeners !== undefined) {
    listeners.listen(protocol, port);
    tell({ type: 'listening', protocol });
    return;
  }
  const sockets: Socket[] = [];
  // Accepting has begun: whom nobody notices now waits for ever.
  port.on('connection', (socket) => sockets.push(socket));
  early.push({ protocol, port, sockets });
}

function listenToEarly(): void {
  for (const { protocol, port, sockets } of early) {
    port.removeAllListeners('connection');
    listen(protocol, port);
    for (const socket of sockets) listeners!.take(protocol, socket);
  }
  early = [];
}

process.on('message', (message: ToDataPlane, handle: Server) => {
  switch (message.type) {
    case 'start':
      log = new AccessLog(message.accessLog, Date.now);
      proxy = new HttpProxy({ hostSocket: message.hostSocket, accessLog: log, tell, metrics, now: Date.now });
      tell({ type: 'ready' });
      break;
    case 'listen':
      listen(message.protocol, handle);
      break;
    case 'config':
      proxy!.configure(message.config);
      listeners ??= new Listeners(proxy!, message.config.defaultCertificate);
      listeners.configure(message.config);
      listenToEarly();
      tell({ type: 'applied', version: message.version });
      break;
    case 'metrics':
      tell({ type: 'metrics', id: message.id, metrics: metrics.snapshot() });
      break;
    case 'drain':
      listeners?.drain();
      break;
    default:
      proxy!.functions.heard(message);
  }
});

// A parent that is gone starts another one of us when it comes back.
process.on('disconnect', () => {
  log?.[Symbol.dispose]();
  process.exit(0);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});

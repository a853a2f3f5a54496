/** The data plane's program: it serves what its parent says, on sockets that its parent has opened. */
import type { FromDataPlane, ToDataPlane } from '../config.ts';
import { AccessLog } from './access-log.ts';
import { Listeners } from './listeners.ts';
import { Metrics } from './metrics.ts';
import { HttpProxy } from './proxy.ts';

const tell = (message: FromDataPlane): void => {
  process.send?.(message);
};
const metrics = new Metrics();
let proxy: HttpProxy | undefined;
let listeners: Listeners | undefined;
let waiting: { protocol: 'http' | 'https'; handle: object }[] = [];
let log: AccessLog | undefined;

async function listen(protocol: 'http' | 'https', handle: object): Promise<void> {
  await listeners!.listen(protocol, handle);
  tell({ type: 'listening', protocol });
}

process.on('message', (message: ToDataPlane, handle: object) => {
  switch (message.type) {
    case 'start':
      log = new AccessLog(message.accessLog, Date.now);
      proxy = new HttpProxy({ hostSocket: message.hostSocket, accessLog: log, tell, metrics, now: Date.now });
      tell({ type: 'ready' });
      break;
    case 'listen':
      if (listeners === undefined) waiting.push({ protocol: message.protocol, handle });
      else void listen(message.protocol, handle);
      break;
    case 'config':
      proxy!.configure(message.config);
      listeners ??= new Listeners(proxy!, message.config.defaultCertificate);
      listeners.configure(message.config);
      for (const item of waiting) void listen(item.protocol, item.handle);
      waiting = [];
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

import type { KubeClient } from './client.ts';
import type { EventRecorder } from './events.ts';
import type { Informers } from './informers.ts';
import type { Logger } from './logger.ts';

/** What every controller works with. */
export interface ControllerContext {
  client: KubeClient;
  informers: Informers;
  log: Logger;
  now: () => number;
  events: (component: string) => EventRecorder;
}

import { git, kubernetes, registry } from './changes.ts';
import { cron, ticker } from './clocks.ts';
import type { BuiltinDriver } from './driver.ts';
import { vcenter } from './vcenter/vcenter.ts';
import { webhook } from './webhook.ts';

/** Types that need no image: they run in this process. */
export const BUILTIN: Readonly<Record<string, BuiltinDriver>> = {
  ticker,
  cron,
  webhook,
  kubernetes,
  git,
  registry,
  vcenter,
};

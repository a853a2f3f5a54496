import { BuildController } from './builds/build.controller.ts';
import { BuildCollector } from './collect/build-collector.ts';
import type { CiContext } from './context.ts';
import { ReportController } from './reports/report.controller.ts';
import { CronController } from './repositories/cron.controller.ts';
import { RepositoryController } from './repositories/repository.controller.ts';

/** Every controller of this room. Make them before the informers start. */
export function ciControllers(context: CiContext): { run: (signal: AbortSignal) => Promise<void> }[] {
  return [
    new RepositoryController(context),
    new BuildController(context),
    new ReportController(context),
    new CronController(context),
    new BuildCollector(context),
  ];
}

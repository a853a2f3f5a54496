import { Cron } from 'croner';
import { type BuiltinDriver, DriverProblem, settingOf } from './driver.ts';

const DEFAULT_SECONDS = 60;

/** An event every so many seconds. */
export const ticker: BuiltinDriver = (run) => {
  const seconds = Number(run.settings.get('seconds') ?? DEFAULT_SECONDS);
  if (!(seconds > 0) || seconds > 86_400)
    throw new DriverProblem(`The setting seconds of ${run.name} must be a number of seconds up to a day.`);
  const dry = ['true', ''].includes(run.settings.get('dryrun') ?? 'false');
  const timer = setInterval(() => {
    if (dry) return;
    void run
      .emit({ type: 'ticker.tick', source: run.settings.get('source') ?? `ticker/${run.name}`, data: {} })
      .catch((error: unknown) => run.log.warn({ err: error, driver: run.name }, 'a tick was lost'));
  }, seconds * 1000);
  return { [Symbol.dispose]: () => clearInterval(timer) };
};

/** Events at times that a schedule says. */
export const cron: BuiltinDriver = (run) => {
  const schedule = settingOf(run, 'schedule');
  const timezone = run.settings.get('timezone');
  const text = run.settings.get('data');
  let data: unknown = {};
  try {
    if (text !== undefined) data = JSON.parse(text);
  } catch (error) {
    throw new DriverProblem(`The setting data of ${run.name} is no JSON.`, { cause: error });
  }
  try {
    const job = new Cron(
      schedule,
      { ...(timezone !== undefined && { timezone }), unref: true },
      (self: Cron) => {
        const planned = self.currentRun()?.toISOString();
        void run
          .emit({
            type: run.settings.get('type') ?? 'cron.tick',
            source: run.settings.get('source') ?? `cron/${run.name}`,
            ...(planned !== undefined && { time: planned }),
            data,
          })
          .catch((error: unknown) =>
            run.log.warn({ err: error, driver: run.name }, 'an event of a clock was lost'),
          );
      },
    );
    return { [Symbol.dispose]: () => job.stop() };
  } catch (error) {
    throw new DriverProblem(
      `The schedule ${JSON.stringify(schedule)} of ${run.name} is none: ${(error as Error).message}.`,
      {
        cause: error,
      },
    );
  }
};

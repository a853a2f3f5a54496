import { pause } from '../../../kube/index.ts';
import { type BuiltinDriver, DriverProblem, type DriverRun, settingOf } from '../driver.ts';
import { textOf, VimClient, VimError, type VimEvent } from './vim-client.ts';

const POLL_MS = 2000;
const RETRY_MS = 10_000;

/** What happens in a vCenter: the classes of its events become types, like vm.being.created. */
export const vcenter: BuiltinDriver = (run) => {
  const url = URL.parse(settingOf(run, 'vcenterurl'));
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:'))
    throw new DriverProblem(
      `The setting vcenterurl of ${run.name} is no address: write it as https://vcenter.example.com.`,
    );
  const username = run.secrets['username'] ?? decodeURIComponent(url.username);
  const password = run.secrets['password'] ?? decodeURIComponent(url.password);
  if (username === '' || password === '')
    throw new DriverProblem(
      `The driver ${run.name} needs a secret with username and password: give it with --secret.`,
    );
  const isInsecure = ['true', ''].includes(run.settings.get('insecure') ?? 'false');
  const client = new VimClient({
    url: `${url.origin}${url.pathname === '/' ? '/sdk' : url.pathname}`,
    username,
    password,
    fetch: isInsecure ? run.sources.uncheckedFetch : run.sources.fetch,
  });
  const stop = new AbortController();
  void follow(run, client, url.host, stop.signal);
  return { [Symbol.dispose]: () => stop.abort() };
};

/** Goes on after every failure, from the last event that was kept. */
async function follow(run: DriverRun, client: VimClient, host: string, signal: AbortSignal): Promise<void> {
  let since = new Date(run.now());
  let lastKey = -1;
  let collector: string | undefined;
  while (!signal.aborted) {
    try {
      collector ??= await client.open(since);
      const events = await client.next(collector);
      for (const event of events) {
        if (event.key <= lastKey) continue;
        await run.emit(eventFrom(event, host));
        lastKey = event.key;
        since = new Date(event.createdTime);
      }
      if (events.length === 0) await pause(pollMs(run), signal);
    } catch (error) {
      if (signal.aborted) return;
      collector = undefined;
      if (error instanceof VimError && error.isSessionLost) continue;
      run.log.warn({ err: error, driver: run.name }, 'vCenter cannot be asked, which is tried again');
      await pause(RETRY_MS, signal);
    }
  }
}

function pollMs({ settings }: DriverRun): number {
  const seconds = Number(settings.get('seconds') ?? Number.NaN);
  return seconds > 0 ? seconds * 1000 : POLL_MS;
}

function eventFrom(
  { type, key, createdTime, fields }: VimEvent,
  host: string,
): Parameters<DriverRun['emit']>[0] {
  const vm = textOf(fields, 'vm', 'name');
  return {
    type: type
      .replace(/Event$/, '')
      .replaceAll(/(?<=[a-z0-9])(?=[A-Z])/g, '.')
      .toLowerCase(),
    source: `vcenter/${host}`,
    id: `${key}`,
    time: new Date(createdTime).toISOString(),
    ...(vm !== undefined && { subject: vm }),
    data: {
      message: textOf(fields, 'fullFormattedMessage') ?? '',
      metadata: {
        ...(vm !== undefined && { vm_name: vm }),
        ...named('vm_id', textOf(fields, 'vm', 'vm')),
        ...named('src_template', textOf(fields, 'srcTemplate', 'name')),
        ...named('user', textOf(fields, 'userName')),
      },
    },
  };
}

function named(key: string, value: string | undefined): Record<string, string> {
  return value === undefined ? {} : { [key]: value };
}

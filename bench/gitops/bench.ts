import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { KubeClient, KubeObject, ResourceRef } from '../../src/kube/index.ts';
import type { Row } from '../main.ts';
import { median, Platform } from '../platform.ts';

const KUSTOMIZATIONS: ResourceRef = {
  group: 'kustomize.toolkit.fluxcd.io',
  version: 'v1',
  plural: 'kustomizations',
  namespaced: true,
};
const GIT_REPOSITORIES: ResourceRef = {
  group: 'source.toolkit.fluxcd.io',
  version: 'v1',
  plural: 'gitrepositories',
  namespaced: true,
};
const APPLICATIONS: ResourceRef = {
  group: 'argoproj.io',
  version: 'v1alpha1',
  plural: 'applications',
  namespaced: true,
};
const CONFIG_MAPS: ResourceRef = { group: '', version: 'v1', plural: 'configmaps', namespaced: true };
const MANY = 1_000;
const APPS = 10_000;
const TURNS = 9;
const WRITERS = 32;

/** From a push, or a change by hand, to objects that are as Git says; and what many of them cost. */
export async function benchGitops(rows: readonly string[]): Promise<Row[]> {
  const all: Record<string, () => Promise<Row[]>> = { kustomizations, applications, pushes };
  const wanted = rows.length === 0 ? ['pushes', 'kustomizations', 'applications'] : rows;
  const found: Row[] = [];
  for (const name of wanted) found.push(...((await all[name]?.()) ?? []));
  return found;
}

/** A repository of the server with a clone beside it. */
class Repository {
  readonly url: string;
  readonly #dir: string;

  private constructor(url: string, dir: string) {
    this.url = url;
    this.#dir = dir;
  }

  static async create(platform: Platform, client: KubeClient): Promise<Repository> {
    await client.raw({
      method: 'POST',
      path: '/apis/run.dispatch.dev/v1alpha1/namespaces/default/gitrepositories',
      headers: { 'content-type': 'application/json' },
      body: { metadata: { name: 'fleet' }, spec: {} },
    });
    const dir = mkdtempSync(join(platform.home, 'clone-'));
    const repository = new Repository(`${(await platform.file()).http}/dispatch/git/default/fleet.git`, dir);
    const token = /token: (\S+)/.exec(readFileSync(join(platform.dataDir, 'kubeconfig'), 'utf8'))?.[1];
    repository.#git('init', '--quiet', '--initial-branch=main');
    repository.#git('config', 'http.extraHeader', `Authorization: Bearer ${token}`);
    repository.#git('remote', 'add', 'origin', repository.url);
    return repository;
  }

  #git(...args: string[]): void {
    execFileSync('git', ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.com', ...args], {
      cwd: this.#dir,
    });
  }

  write(path: string, text: string): void {
    mkdirSync(join(this.#dir, path, '..'), { recursive: true });
    writeFileSync(join(this.#dir, path), text);
  }

  push(): void {
    this.#git('add', '--all');
    this.#git('commit', '--quiet', '--message', 'a change');
    this.#git('push', '--quiet', 'origin', 'HEAD:main');
  }
}

const configMap = (name: string, value: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {value: "${value}"}\n`;

/** Resolves with the time at which a ConfigMap has a value. */
async function untilValue(client: KubeClient, name: string, value: string): Promise<number> {
  const { metadata } = await client.list(CONFIG_MAPS, { namespace: 'default', limit: 1 });
  type Map = KubeObject & { data?: { value?: string } };
  const stop = new AbortController();
  const events = client.watch<Map>(CONFIG_MAPS, {
    namespace: 'default',
    resourceVersion: metadata.resourceVersion ?? '',
    signal: stop.signal,
  });
  const known = await client.get<Map>(CONFIG_MAPS, 'default', name).catch(() => undefined);
  if (known?.data?.value === value) return performance.now();
  for await (const { object } of events)
    if (object.metadata.name === name && object.data?.value === value) {
      stop.abort();
      return performance.now();
    }
  throw new Error('the watch has ended');
}

function application(name: string, path: string, url: string): KubeObject {
  return {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: { name, namespace: 'default' },
    spec: {
      project: 'default',
      source: { repoURL: url, path },
      destination: { server: 'https://kubernetes.default.svc', namespace: 'default' },
      syncPolicy: { automated: { selfHeal: true } },
    },
  };
}

async function pushes(): Promise<Row[]> {
  await using platform = await Platform.start();
  const client = platform.client();
  const repository = await Repository.create(platform, client);
  repository.write('app/a.yaml', configMap('a', 'start'));
  repository.push();
  await client.create(APPLICATIONS, application('app', 'app', repository.url));
  await untilValue(client, 'a', 'start');
  const changed: number[] = [];
  const healed: number[] = [];
  for (let turn = 0; turn < TURNS; turn += 1) {
    repository.write('app/a.yaml', configMap('a', `turn-${turn}`));
    const done = untilValue(client, 'a', `turn-${turn}`);
    repository.push();
    // The clock starts when git says that the push was taken.
    const start = performance.now();
    changed.push(Math.max(0, (await done) - start));
    const back = client.patch(CONFIG_MAPS, { namespace: 'default', name: 'a' }, 'merge', {
      data: { value: 'drift' },
    });
    await back;
    const drifted = performance.now();
    healed.push((await untilValue(client, 'a', `turn-${turn}`)) - drifted);
    // Healing the same object again and again slows down on purpose: not here.
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await client.close();
  return [
    {
      name: 'push accepted → objects changed, p50',
      value: median(changed),
      unit: 'ms',
      peer: 'Argo CD: polls at 180 s, webhook a few s',
      goal: '≤ 500 ms',
    },
    { name: 'drift made → healed, p50', value: median(healed), unit: 'ms', peer: '—', goal: '≤ 1,000 ms' },
  ];
}

async function kustomizations(): Promise<Row[]> {
  await using platform = await Platform.start();
  const client = platform.client();
  const repository = await Repository.create(platform, client);
  for (let at = 0; at < MANY; at += 1) repository.write(`k${at}/a.yaml`, configMap(`k${at}`, '1'));
  repository.push();
  await client.create(GIT_REPOSITORIES, {
    apiVersion: 'source.toolkit.fluxcd.io/v1',
    kind: 'GitRepository',
    metadata: { name: 'fleet', namespace: 'default' },
    spec: { url: repository.url, interval: '10m', ref: { branch: 'main' } },
  });
  const start = performance.now();
  await each(MANY, (at) =>
    client.create(KUSTOMIZATIONS, {
      apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
      kind: 'Kustomization',
      metadata: { name: `k${at}`, namespace: 'default' },
      spec: {
        sourceRef: { kind: 'GitRepository', name: 'fleet' },
        path: `./k${at}`,
        prune: true,
        interval: '10m',
      },
    }),
  );
  await until(async () => {
    const { items } = await client.list<KubeObject & { status?: { conditions?: { status: string }[] } }>(
      KUSTOMIZATIONS,
      { namespace: 'default' },
    );
    return items.filter(({ status }) => status?.conditions?.[0]?.status === 'True').length === MANY;
  });
  const seconds = (performance.now() - start) / 1000;
  const memory = await residentMiB(platform);
  await client.close();
  return [
    {
      name: `${MANY.toLocaleString('en')} Kustomizations from nothing to all Ready`,
      value: seconds,
      unit: 's',
      peer: 'Flux 2.5: 256 s on 16 cores (published)',
      goal: '≤ 60 s',
    },
    {
      name: 'memory of the server then',
      value: memory,
      unit: 'MiB',
      peer: 'Flux 2.5: 175 MiB, without the API server (published)',
      goal: '≤ 250 MiB',
    },
  ];
}

async function applications(): Promise<Row[]> {
  await using platform = await Platform.start();
  const client = platform.client();
  const repository = await Repository.create(platform, client);
  for (let at = 0; at < 100; at += 1) repository.write(`a${at}/a.yaml`, configMap(`a${at}`, '1'));
  repository.push();
  // Many applications look at the same hundred directories, each in a namespace of its own.
  type App = KubeObject & { status?: { sync?: { status?: string }; reconciledAt?: string } };
  for (let at = 0; at < 100; at += 1)
    await client.create(
      { group: '', version: 'v1', plural: 'namespaces', namespaced: false },
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: `n${at}` } },
    );
  await each(APPS, (at) => {
    const app = application(`app-${at}`, `a${at % 100}`, repository.url);
    (app['spec'] as { destination: { namespace: string } }).destination.namespace =
      `n${Math.floor(at / 100)}`;
    return client.create(APPLICATIONS, app);
  });
  const synced = async (): Promise<boolean> =>
    (await client.list<App>(APPLICATIONS, { namespace: 'default' })).items.every(
      ({ status }) => status?.sync?.status === 'Synced',
    );
  await until(synced, 15_000);
  const start = performance.now();
  await each(APPS, (at) =>
    client.patch(APPLICATIONS, { namespace: 'default', name: `app-${at}` }, 'merge', {
      metadata: { annotations: { 'argocd.argoproj.io/refresh': 'normal' } },
    }),
  );
  await until(
    async () =>
      (await client.list<App>(APPLICATIONS, { namespace: 'default' })).items.every(
        ({ metadata }) => metadata.annotations?.['argocd.argoproj.io/refresh'] === undefined,
      ),
    5_000,
  );
  const seconds = (performance.now() - start) / 1000;
  await client.close();
  return [
    {
      name: `${APPS.toLocaleString('en')} applications without a change: all looked at`,
      value: seconds,
      unit: 's',
      peer: 'Argo CD: 660 s (published, 500 clusters)',
      goal: '≤ 120 s',
    },
  ];
}

async function each(count: number, work: (at: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: WRITERS }, async () => {
      for (let at = next++; at < count; at = next++) await work(at);
    }),
  );
}

async function until(check: () => Promise<boolean>, pauseMs = 250): Promise<void> {
  while (!(await check())) await new Promise((resolve) => setTimeout(resolve, pauseMs));
}

async function residentMiB(platform: Platform): Promise<number> {
  const { pid } = JSON.parse(readFileSync(join(platform.dataDir, 'server.json'), 'utf8')) as { pid: number };
  const kilobytes = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes ?? 0) / 1024;
}

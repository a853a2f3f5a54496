import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunMount, RunRequest, StepRunner } from '../../images/index.ts';
import { DEFAULT_CAPABILITIES } from '../keeper/constants.ts';
import { readLog } from '../logs/log-reader.ts';
import type { Mount, Runtime } from '../runtime/runtime.ts';

const SIGKILL = 9;
const RESOLV = '/etc/resolv.conf';
const NAMES = 'search svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n';
const HOSTS = '127.0.0.1\tlocalhost\n::1\tlocalhost\n';

/** Runs the programs of image builds in sandboxes, each in a pod of its own that nobody else sees. */
export class SandboxStepRunner implements StepRunner {
  readonly #runtime: Runtime;
  readonly #wakers = new Set<() => void>();

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    const wake = (): void => {
      for (const waker of [...this.#wakers]) waker();
    };
    runtime.listen({ changed: wake, logged: wake, lost: wake });
  }

  readLayer: StepRunner['readLayer'] = (dir, handle) => this.#runtime.readLayer(dir, handle);

  removeFiles: StepRunner['removeFiles'] = (path) => this.#runtime.removeFiles(path);

  async run(request: RunRequest, output: (chunk: Buffer) => void, signal: AbortSignal): Promise<number> {
    const podUid = `build-${request.id}`;
    const id = `${podUid}/run/0`;
    const hostNetwork = request.network === 'host';
    const log = join(request.dir, 'output.log');
    const hosts = join(request.dir, 'hosts');
    await mkdir(join(request.dir, 'upper'), { recursive: true });
    await writeFile(hosts, HOSTS);
    await this.#runtime.createPod({
      uid: podUid,
      namespace: '',
      name: podUid,
      hostname: 'build',
      hostNetwork,
      isolated: request.network === 'none',
    });
    const resolv = join(request.dir, 'resolv.conf');
    await writeFile(resolv, request.network === 'none' ? '' : NAMES);
    const kill = (): void => void this.#runtime.kill(id, SIGKILL).catch(() => {});
    signal.addEventListener('abort', kill);
    try {
      await this.#runtime.startContainer({
        id,
        podUid,
        name: 'run',
        attempt: 0,
        image: { layers: request.lower, reference: '' },
        argv: request.argv,
        env: request.env,
        cwd: request.cwd,
        user: request.user,
        groups: [],
        capabilities: [...DEFAULT_CAPABILITIES],
        noNewPrivileges: false,
        seccomp: true,
        privileged: false,
        readOnlyRoot: false,
        hostNetwork,
        stdin: false,
        tty: false,
        mounts: [
          ...request.mounts.map(mountOf),
          { type: 'bind', source: hosts, target: '/etc/hosts', readOnly: true },
          { type: 'bind', source: hostNetwork ? RESOLV : resolv, target: '/etc/resolv.conf', readOnly: true },
        ],
        dir: request.dir,
        log,
        limits: {},
      });
      return await this.#follow(id, podUid, log, output);
    } finally {
      signal.removeEventListener('abort', kill);
      await this.#runtime.removePod(podUid);
    }
  }

  async #follow(id: string, podUid: string, path: string, output: (chunk: Buffer) => void): Promise<number> {
    let exitCode: number | undefined;
    const check = async (): Promise<void> => {
      const found = (await this.#runtime.list(podUid)).containers.find((item) => item.id === id);
      if (found === undefined) exitCode = 137;
      else if (found.state === 'exited') exitCode = found.exitCode ?? 0;
    };
    await check();
    const query = {
      follow: true,
      timestamps: false,
      tailLines: undefined,
      limitBytes: undefined,
      since: undefined,
    };
    const source = {
      path,
      ended: () => exitCode !== undefined,
      more: async () => {
        await new Promise<void>((resolve) => {
          const waker = (): void => {
            this.#wakers.delete(waker);
            resolve();
          };
          this.#wakers.add(waker);
          // What happened between the check and now must not be slept through.
          void check().then(() => exitCode !== undefined && waker());
        });
        await check();
      },
    };
    for await (const chunk of readLog(source, query, new AbortController().signal)) output(chunk);
    return exitCode ?? 0;
  }
}

function mountOf(mount: RunMount): Mount {
  switch (mount.type) {
    case 'tmpfs':
      return {
        type: 'tmpfs',
        target: mount.target,
        ...(mount.sizeBytes !== undefined && { sizeBytes: mount.sizeBytes }),
      };
    case 'overlay':
      return {
        type: 'overlay',
        lower: mount.lower ?? [],
        scratch: mount.scratch ?? '',
        target: mount.target,
        readOnly: mount.readOnly,
      };
    case 'bind':
      return { type: 'bind', source: mount.source ?? '', target: mount.target, readOnly: mount.readOnly };
  }
}

import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { REPOSITORIES, type Repository } from '../ci/index.ts';
import { type KubeClient, unlessThere } from '../kube/index.ts';
import type { Delivery } from './delivery.ts';

const SOURCE = fileURLToPath(new URL('../../examples/pipeline/', import.meta.url));
const SAMPLE = { owner: 'default', name: 'hello-world' };
const AUTHOR = ['-c', 'user.name=Dispatch', '-c', 'user.email=dispatch@localhost'];

/** The sample project of the first run: a small web service in a repository of this server, with its pipeline. */
export async function installDemo({
  client,
  delivery,
  publicUrl,
}: {
  client: KubeClient;
  delivery: Delivery;
  publicUrl: string;
}): Promise<void> {
  const { forge } = delivery;
  if (await forge.exists(SAMPLE)) return;
  await forge.create(SAMPLE);
  const repository: Repository = {
    apiVersion: 'dispatch.dev/v1alpha1',
    kind: 'Repository',
    metadata: { name: SAMPLE.name, namespace: SAMPLE.owner },
    spec: {
      url: `${publicUrl}/dispatch/git/${SAMPLE.owner}/${SAMPLE.name}.git`,
      repository: `${SAMPLE.owner}/${SAMPLE.name}`,
    },
  };
  await unlessThere(client.create(REPOSITORIES, repository));
  const work = await mkdtemp(join(tmpdir(), 'dispatch-sample-'));
  try {
    await cp(SOURCE, work, { recursive: true });
    for (const args of [
      ['init', '--quiet', '--initial-branch=main'],
      ['add', '--all'],
      [...AUTHOR, 'commit', '--quiet', '--message', 'A small web service, and its pipeline'],
      ['push', '--quiet', '--', forge.pathOf(SAMPLE), 'main'],
    ])
      await forge.git.run(args, { cwd: work });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  delivery.pushed(SAMPLE);
}

import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { GROUP, KINDS, VERSION } from '../api/index.ts';
import { REPOSITORIES, type Repository } from '../ci/index.ts';
import { APPLICATIONS, type Application, IN_CLUSTER } from '../gitops/index.ts';
import { type KubeClient, type KubeObject, unlessThere } from '../kube/index.ts';
import type { ForgeRepositories, ForgeRepository } from '../scm/index.ts';
import type { Delivery } from './delivery.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));
const SAMPLE = { owner: 'default', name: 'hello-world' };
const GITOPS = { owner: 'default', name: 'hello-world-gitops' };
const PLURALS = Object.fromEntries(KINDS.map(({ kind, plural }) => [kind, plural]));
const AUTHOR = ['-c', 'user.name=Dispatch', '-c', 'user.email=dispatch@localhost'];

/** The sample project of the first run: a small web service with its pipeline, what keeps it deployed, and a function. */
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
  await installFunction(client);
  const urlOf = ({ owner, name }: ForgeRepository): string =>
    `${publicUrl}/dispatch/git/${owner}/${name}.git`;
  await forge.create(GITOPS);
  await commit(forge, GITOPS, { from: join(EXAMPLES, 'gitops'), message: 'How the service is deployed' });
  const application: Application = {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Application',
    metadata: { name: SAMPLE.name, namespace: SAMPLE.owner },
    spec: {
      project: 'default',
      source: { repoURL: urlOf(GITOPS), path: '.', targetRevision: 'HEAD' },
      destination: { server: IN_CLUSTER, namespace: SAMPLE.owner },
      syncPolicy: { automated: { prune: true, selfHeal: true } },
    },
  };
  await unlessThere(client.create(APPLICATIONS, application));
  await forge.create(SAMPLE);
  const repository: Repository = {
    apiVersion: 'dispatch.dev/v1alpha1',
    kind: 'Repository',
    metadata: { name: SAMPLE.name, namespace: SAMPLE.owner },
    spec: { url: urlOf(SAMPLE), repository: `${SAMPLE.owner}/${SAMPLE.name}` },
  };
  await unlessThere(client.create(REPOSITORIES, repository));
  await commit(forge, SAMPLE, {
    from: join(EXAMPLES, 'pipeline'),
    message: 'A small web service, and its pipeline',
  });
  delivery.pushed(SAMPLE);
}

async function installFunction(client: KubeClient): Promise<void> {
  const text = await readFile(join(EXAMPLES, 'functions', 'greet.yaml'), 'utf8');
  for (const document of parseAllDocuments(text)) {
    const object = (document as { toJS: () => unknown }).toJS() as KubeObject;
    const plural = PLURALS[object.kind ?? ''] ?? '';
    await unlessThere(client.create({ group: GROUP, version: VERSION, plural, namespaced: true }, object));
  }
}

async function commit(
  forge: ForgeRepositories,
  repository: ForgeRepository,
  { from, message }: { from: string; message: string },
): Promise<void> {
  const work = await mkdtemp(join(tmpdir(), 'dispatch-sample-'));
  try {
    await cp(from, work, { recursive: true });
    for (const args of [
      ['init', '--quiet', '--initial-branch=main'],
      ['add', '--all'],
      [...AUTHOR, 'commit', '--quiet', '--message', message],
      ['push', '--quiet', '--', forge.pathOf(repository), 'main'],
    ])
      await forge.git.run(args, { cwd: work });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

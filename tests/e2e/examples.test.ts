import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseAllDocuments } from 'yaml';
import { TestServer } from '../../src/apiserver/index.ts';
import type { KubeObject, ResourceRef } from '../../src/kube/index.ts';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));

/** Definitions first: the other examples may be their objects. */
async function examples(): Promise<[file: string, object: KubeObject][]> {
  const files = (await readdir(EXAMPLES))
    .filter((name) => name.endsWith('.yaml'))
    .sort((a, b) => Number(b.includes('definition')) - Number(a.includes('definition')));
  const all = await Promise.all(
    files.map(async (file) =>
      parseAllDocuments(await readFile(EXAMPLES + file, 'utf8')).map(
        (document) => [file, document.toJS() as KubeObject] as [string, KubeObject],
      ),
    ),
  );
  // Files of the serverless commands have a form of their own.
  return all.flat().filter(([, object]) => object.apiVersion !== undefined);
}

interface Discovered {
  resources: { name: string; kind: string; namespaced: boolean }[];
}

async function refOf(server: TestServer, { apiVersion, kind }: KubeObject): Promise<ResourceRef> {
  const [group, version] = apiVersion.includes('/')
    ? (apiVersion.split('/') as [string, string])
    : ['', apiVersion];
  const list = await server.client.raw<Discovered>({
    method: 'GET',
    path: group === '' ? `/api/${version}` : `/apis/${apiVersion}`,
  });
  const found = list.resources.find((resource) => resource.kind === kind && !resource.name.includes('/'));
  assert.ok(found, `${kind} of ${apiVersion} is served`);
  return { group, version, plural: found.name, namespaced: found.namespaced };
}

test('every example applies as it stands, without a warning, and again without a change', async () => {
  await using server = await TestServer.start();
  for (const [file, object] of await examples()) {
    const ref = await refOf(server, object);
    if (ref.namespaced) object.metadata.namespace ??= 'default';
    const query = new URLSearchParams({ fieldManager: 'examples', fieldValidation: 'Strict' });
    const root = ref.group === '' ? '/api' : '/apis';
    const path = `${root}/${object.apiVersion}${ref.namespaced ? `/namespaces/${object.metadata.namespace}` : ''}/${ref.plural}/${object.metadata.name}`;
    const apply = () =>
      server.client.raw<KubeObject>({
        method: 'PATCH',
        path,
        query,
        headers: { 'content-type': 'application/apply-patch+yaml' },
        body: object,
      });
    const first = await apply();
    assert.equal(first.metadata.name, object.metadata.name, file);
    assert.equal((await apply()).metadata.resourceVersion, first.metadata.resourceVersion, file);
  }
});

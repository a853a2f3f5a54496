import {
  CONFIG_MAPS,
  type KubeObject,
  type Secret,
  SECRETS,
  secretText,
  unlessGone,
} from '../../kube/index.ts';
import {
  type HelmResult,
  type HelmSource,
  type KustomizeOptions,
  type Manifest,
  normal,
  readYaml,
  type Release,
  RenderError,
  type RenderOptions,
  type SopsKeys,
  type SourceTree,
} from '../../render/index.ts';
import type { Cluster } from '../clusters/cluster.ts';
import type { GitopsContext } from '../context.ts';
import { NOTES } from '../resources.ts';
import { SourceNotReady } from './not-ready.ts';
import { ReleaseAttempt, releasePlace, type ReleaseReport } from './release.ts';
import type { Kept, SourceReference } from './resources.ts';
import type { FluxSources } from './sources.ts';
import { substitute, withMetadata } from './substitute.ts';

export interface KeptManifests {
  revision: string;
  /** The same for the same manifests. */
  key: string;
  render: () => Promise<Manifest[]>;
  /** Of a HelmRelease. */
  release?: KeptRelease;
}

export interface KeptRelease {
  attempt: ReleaseAttempt;
  tests: () => Promise<Manifest[]>;
  succeeded: () => Promise<ReleaseReport | undefined>;
  failed: (message: string) => Promise<ReleaseReport | undefined>;
}

export interface DesiredParts {
  context: GitopsContext;
  sources: FluxSources;
}

/** What a Kustomization says at the commit that its source is at. */
export async function kustomizationManifests(
  { context, sources }: DesiredParts,
  kept: Kept,
  cluster: Cluster,
): Promise<KeptManifests> {
  const { spec, metadata } = kept;
  const source = sources.find(spec.sourceRef!, metadata.namespace ?? '');
  const files = await sources.files(source);
  const values = await substitutions(context, kept);
  const decryption = await decryptionOf(context, kept);
  const capabilities = await cluster.capabilities();
  const render = async (): Promise<Manifest[]> => {
    const renderTree = (tree: SourceTree): Promise<Manifest[]> =>
      context.renderer.render(tree, {
        path: spec.path ?? '.',
        ...optionsOf(spec),
        capabilities,
        helm: { release: { name: metadata.name ?? '', namespace: '' } },
      });
    const tree = await files.tree();
    const manifests =
      decryption === undefined
        ? await renderTree(tree)
        : await sources.decrypted(tree, decryption.keys, renderTree);
    const filled =
      spec.postBuild === undefined ? manifests : manifests.map((item) => substitute(item, values));
    return filled.map((item) => ({
      ...item,
      object: withTarget(withMetadata(item.object, spec.commonMetadata), spec.targetNamespace),
    }));
  };
  const key = JSON.stringify([files.id, spec, [...values], decryption?.version]);
  return { revision: files.revision, key, render };
}

/** The private keys that a Kustomization may use for what is encrypted in its files. */
async function decryptionOf(
  { client }: GitopsContext,
  { spec, metadata }: Kept,
): Promise<{ keys: SopsKeys; version: string } | undefined> {
  if (spec.decryption === undefined) return undefined;
  const { provider = 'sops', secretRef } = spec.decryption;
  if (provider !== 'sops')
    throw new SourceNotReady(`${provider} is no way to decrypt that is known here: use sops.`);
  if (secretRef === undefined) return { keys: { age: [], pgp: [] }, version: '' };
  const secret = await unlessGone(client.get<Secret>(SECRETS, metadata.namespace ?? '', secretRef.name));
  if (secret === undefined)
    throw new SourceNotReady(`There is no Secret ${secretRef.name} with keys to decrypt with.`);
  const names = Object.keys(secret.data ?? {});
  const texts = (suffix: string): string[] =>
    names.filter((name) => name.endsWith(suffix)).map((name) => secretText(secret, name));
  const age = texts('.agekey').flatMap((text) => text.match(/^AGE-SECRET-KEY-\S+/gm) ?? []);
  const { uid, resourceVersion } = secret.metadata;
  return { keys: { age, pgp: texts('.asc') }, version: `${uid}/${resourceVersion}` };
}

/** Without a kustomization of its own a directory counts with everything below it. */
function optionsOf(spec: Kept['spec']): Partial<RenderOptions> {
  const { namePrefix, nameSuffix, images, patches, components } = spec;
  const kustomize = {
    ...(namePrefix && { namePrefix }),
    ...(nameSuffix && { nameSuffix }),
    ...(images && { images }),
    ...(patches && { patches }),
    ...(components && { components }),
  };
  return {
    directory: { recurse: true },
    ...(Object.keys(kustomize).length > 0 && { kustomize, type: 'kustomize' }),
  };
}

function withTarget(object: Manifest['object'], namespace: string | undefined): Manifest['object'] {
  // Where it makes no sense it is taken away again, when it is known what the object is.
  return namespace === undefined ? object : { ...object, metadata: { ...object.metadata, namespace } };
}

async function substitutions(context: GitopsContext, { spec, metadata }: Kept): Promise<Map<string, string>> {
  const values = new Map<string, string>();
  for (const { kind, name, optional } of spec.postBuild?.substituteFrom ?? []) {
    const data = await dataOf(context, { kind, name, namespace: metadata.namespace ?? '' });
    if (data === undefined && !optional)
      throw new SourceNotReady(`There is no ${kind} ${name} with values to substitute.`);
    for (const [key, value] of data ?? []) values.set(key, value);
  }
  for (const [key, value] of Object.entries(spec.postBuild?.substitute ?? {})) values.set(key, value);
  return values;
}

async function dataOf(
  { client }: GitopsContext,
  { kind, name, namespace }: { kind: string; name: string; namespace: string },
): Promise<Map<string, string> | undefined> {
  if (kind === 'Secret') {
    const secret = await unlessGone(client.get<Secret>(SECRETS, namespace, name));
    return secret && new Map(Object.keys(secret.data ?? {}).map((key) => [key, secretText(secret, key)]));
  }
  const map = await unlessGone(
    client.get<KubeObject & { data?: Record<string, string> }>(CONFIG_MAPS, namespace, name),
  );
  return map && new Map(Object.entries(map.data ?? {}));
}

/** What a HelmRelease says with the chart and the values that it names. */
export async function releaseManifests(
  parts: DesiredParts,
  kept: Kept,
  cluster: Cluster,
): Promise<KeptManifests> {
  const { context } = parts;
  const { spec } = kept;
  const values = await valuesOf(context, kept);
  const { id, revision, result: resultOf } = await chartResult(parts, kept, values, cluster);
  const key = JSON.stringify([id, { ...spec, suspend: undefined, interval: undefined }, values]);
  const release = await ReleaseAttempt.of(kept, key, { cluster, now: context.now });
  const result = async (): Promise<HelmResult> => {
    const { version, isUpgrade } = release;
    const found = await resultOf({ ...releasePlace(kept), revision: version, isUpgrade });
    const rendered = await postRendered(context, kept, found.manifests);
    return {
      ...found,
      manifests: rendered.map((item) => ({
        ...item,
        object: withMetadata(item.object, spec.commonMetadata),
      })),
    };
  };
  return {
    revision,
    key: `${release.version}/${release.isRolledBack}/${key}`,
    render: async () =>
      release.isRolledBack ? release.previous() : release.withHooks((await result()).manifests),
    release: {
      attempt: release,
      tests: async () => release.testsIn((await result()).manifests),
      succeeded: () => release.succeeded(result),
      failed: (message) => release.failed(result, message),
    },
  };
}

/** Rendering a chart, wherever it comes from. */
async function chartResult(
  { context, sources }: DesiredParts,
  { spec, metadata }: Kept,
  values: { name: string; text: string }[],
  cluster: Cluster,
): Promise<{ id: string; revision: string; result: (release: Release) => Promise<HelmResult> }> {
  const { source, name, version, valuesFiles } = chartOf(spec, sources, metadata.namespace ?? '');
  const capabilities = await cluster.capabilities();
  const helmOf = (release: Release): HelmSource => ({
    release,
    ...(spec.install?.crds === 'Skip' && { skipCrds: true }),
    values: { files: values, ...(spec.values && { object: spec.values }) },
    ...(valuesFiles && { valueFiles: valuesFiles }),
  });
  if (source.kind === 'GitRepository' || source.kind === 'Bucket') {
    const { revision, tree, idOf } = await sources.files(source);
    // They are told from the top of the source.
    const given = valuesFiles?.map((file) => `/${normal(file)}`);
    const result = async (release: Release): Promise<HelmResult> =>
      context.renderer.helm(await tree(), {
        path: name,
        capabilities,
        helm: { ...helmOf(release), ...(given && { valueFiles: given }) },
      });
    return { id: await idOf([name, ...(valuesFiles ?? [])]), revision, result };
  }
  const chart = await sources.chart(source, { name, version });
  const result = async (release: Release): Promise<HelmResult> =>
    context.renderer.packedChart(
      await sources.fetchChart(chart.place),
      helmOf(release),
      capabilities,
      async () => undefined,
    );
  const { credentials: _, ...place } = chart.place;
  return { id: JSON.stringify(place), revision: chart.version, result };
}

/** What is changed about a chart from outside. Its hooks stay as they are, as Helm has it. */
async function postRendered(
  { renderer }: GitopsContext,
  { spec }: Kept,
  manifests: readonly Manifest[],
): Promise<Manifest[]> {
  const isHook = ({ object }: Manifest): boolean =>
    object.metadata.annotations?.[NOTES.helmHook] !== undefined;
  let rest = manifests.filter((item) => !isHook(item));
  for (const { kustomize } of spec.postRenderers ?? [])
    if (kustomize !== undefined) rest = await renderer.kustomized(rest, kustomize as KustomizeOptions);
  return [...rest, ...manifests.filter(isHook)];
}

function chartOf(
  spec: Kept['spec'],
  sources: FluxSources,
  namespace: string,
): {
  source: ReturnType<FluxSources['find']>;
  name: string;
  version: string;
  valuesFiles: string[] | undefined;
} {
  const find = (reference: SourceReference): ReturnType<FluxSources['find']> =>
    sources.find(reference, namespace);
  if (spec.chart !== undefined) {
    const { chart, version = '*', sourceRef, valuesFiles } = spec.chart.spec;
    return { source: find(sourceRef), name: chart.replace(/^\.\//, ''), version, valuesFiles };
  }
  if (spec.chartRef === undefined)
    throw new RenderError('it names no chart: give spec.chart or spec.chartRef');
  const source = find(spec.chartRef);
  if (source.kind !== 'HelmChart') return { source, name: '', version: '', valuesFiles: undefined };
  return {
    source: find(source.spec.sourceRef!),
    name: source.spec.chart ?? '',
    version: source.spec.version ?? '*',
    valuesFiles: undefined,
  };
}

async function valuesOf(
  context: GitopsContext,
  { spec, metadata }: Kept,
): Promise<{ name: string; text: string }[]> {
  const files: { name: string; text: string }[] = [];
  for (const { kind, name, valuesKey = 'values.yaml', targetPath, optional } of spec.valuesFrom ?? []) {
    const text = (await dataOf(context, { kind, name, namespace: metadata.namespace ?? '' }))?.get(valuesKey);
    if (text === undefined) {
      if (optional) continue;
      throw new SourceNotReady(`There is no ${kind} ${name} with values under ${valuesKey}.`);
    }
    if (targetPath === undefined) files.push({ name: `${kind} ${name}`, text });
    else
      files.push({
        name: `${kind} ${name}`,
        text: JSON.stringify(nested(targetPath.split('.'), readYaml(text, name))),
      });
  }
  return files;
}

function nested(path: readonly string[], value: unknown): unknown {
  return path.reduceRight<unknown>((inner, key) => ({ [key]: inner }), value);
}

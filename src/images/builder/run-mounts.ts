import { lstatSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LayerView } from './layer-view.ts';
import { insideOf } from './sources.ts';
import type { LayerStore } from './layer-store.ts';
import type { Stage } from './stage.ts';
import { BuildError, type BuildOptions, type RunMount } from './types.ts';

const TYPES = new Set(['bind', 'cache', 'tmpfs', 'secret', 'ssh']);

/** The mounts of a RUN, from its --mount flags. */
export async function runMounts(
  flags: readonly string[],
  deps: {
    options: BuildOptions;
    layers: LayerStore;
    stage: Stage;
    workspace: string;
    lowerOf: (from: string) => Promise<string[]>;
  },
): Promise<RunMount[]> {
  const mounts: RunMount[] = [];
  for (const [at, flag] of flags.entries()) {
    const fields = fieldsOf(flag);
    const type = fields['type'] ?? 'bind';
    if (!TYPES.has(type))
      throw new BuildError(`--mount=type=${type} is not known: there are bind, cache, secret and tmpfs`);
    if (type === 'ssh')
      throw new BuildError('--mount=type=ssh is not supported: give a key as a secret instead');
    const target = fields['target'] ?? fields['dst'] ?? fields['destination'];
    if (type === 'secret') mounts.push(...(await secretMount(fields, target, deps)));
    else if (target === undefined) throw new BuildError(`--mount=${flag} names no target`);
    else
      mounts.push(
        await mountOf(type, fields, deps.stage.absolute(deps.stage.expand(target)), { ...deps, at }),
      );
  }
  return mounts;
}

async function mountOf(
  type: string,
  fields: Record<string, string>,
  target: string,
  deps: Parameters<typeof runMounts>[1] & { at: number },
): Promise<RunMount> {
  if (type === 'tmpfs') {
    const size = fields['size'];
    return {
      type: 'tmpfs',
      target,
      readOnly: false,
      ...(size !== undefined && { sizeBytes: bytesOf(size) }),
    };
  }
  const readOnly = isTrue(fields['readonly'] ?? fields['ro']) && !isTrue(fields['rw'] ?? fields['readwrite']);
  if (type === 'cache') {
    const source = deps.layers.mountDir(fields['id'] ?? target);
    await mkdir(source, { recursive: true, mode: Number.parseInt(fields['mode'] ?? '0755', 8) });
    return { type: 'bind', source, target, readOnly };
  }
  const from = fields['from'];
  const path = fields['source'] ?? fields['src'] ?? '';
  const writable = isTrue(fields['rw'] ?? fields['readwrite']);
  // What is written to a bound tree is forgotten with the step, so it goes to a place of its own.
  const lower =
    from === undefined
      ? fromContext(deps.options.contextDir, path)
      : fromLayers(await deps.lowerOf(from), path);
  const scratch = join(deps.workspace, `mount-${deps.at}`);
  await mkdir(scratch, { recursive: true });
  return { type: 'overlay', target, lower, scratch, readOnly: !writable };
}

/** Neither ".." nor a link of the context leads anywhere else on this machine. */
function fromContext(contextDir: string, path: string): string[] {
  const source = insideOf(contextDir, path);
  if (lstatSync(source, { throwIfNoEntry: false })?.isSymbolicLink())
    throw new BuildError(`--mount=type=bind,source=${path} is a symbolic link: name what it leads to`);
  return [source];
}

function fromLayers(layers: readonly string[], path: string): string[] {
  const view = new LayerView(layers);
  const resolved = view.resolve(path);
  const directories = view.directories(resolved);
  if (directories.length > 0) return directories;
  const file = view.lookup(resolved);
  if (file === undefined) throw new BuildError(`--mount=type=bind,source=${path} is not there`);
  return [file.source];
}

async function secretMount(
  fields: Record<string, string>,
  target: string | undefined,
  deps: Parameters<typeof runMounts>[1],
): Promise<RunMount[]> {
  const id = fields['id'] ?? target?.split('/').at(-1) ?? '';
  const secret = deps.options.secrets[id];
  if (secret === undefined) {
    if (isTrue(fields['required']))
      throw new BuildError(
        `the build needs a secret ${JSON.stringify(id)}: give it with --secret id=${id},src=FILE`,
      );
    return [];
  }
  const path = join(deps.workspace, `secret-${id.replaceAll(/[^\w.-]/g, '_')}`);
  if (secret.value !== undefined)
    await writeFile(path, secret.value, { mode: Number.parseInt(fields['mode'] ?? '0400', 8) });
  const source = secret.value === undefined ? (secret.path ?? '') : path;
  return [{ type: 'bind', source, target: target ?? `/run/secrets/${id}`, readOnly: true }];
}

function fieldsOf(flag: string): Record<string, string> {
  return Object.fromEntries(
    flag.split(',').map((part) => {
      const at = part.indexOf('=');
      return at < 0 ? ([part, 'true'] as const) : ([part.slice(0, at), part.slice(at + 1)] as const);
    }),
  );
}

/** "64m", as docker writes sizes. */
function bytesOf(text: string): number {
  const match = /^(\d+)([kmg]?)b?$/i.exec(text);
  if (match === null) throw new BuildError(`${JSON.stringify(text)} is no size: write it as "64m"`);
  return Number(match[1]) * 1024 ** ['', 'k', 'm', 'g'].indexOf(match[2]!.toLowerCase());
}

function isTrue(value: string | undefined): boolean {
  return value === 'true' || value === '1' || value === '';
}

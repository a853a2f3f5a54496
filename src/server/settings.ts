import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { COLLECTOR_DEFAULTS, type CollectorSettings, type RegistrySettings } from '../images/index.ts';
import { durationMs } from '../kube/index.ts';
import { UserError } from './user-error.ts';

/** What `<data>/config.yaml` may say; flags say the same and come first. */
export interface Settings {
  registry: RegistrySettings;
  hostPathRoots: string[];
  allowPrivileged: boolean;
  /** Where events are kept, instead of in files: "nats://HOST:PORT". */
  nats?: string;
  imageCollection: CollectorSettings;
}

interface SettingsFile {
  registryMirrors?: Record<string, string | string[]>;
  insecureRegistries?: string[];
  offline?: boolean;
  hostPathRoots?: string[];
  allowPrivileged?: boolean;
  nats?: string;
  imageCollection?: { maxAge?: string; highPercent?: number; lowPercent?: number };
}

export interface SettingsFlags {
  registryMirror: readonly string[];
  insecureRegistry: readonly string[];
  hostPathRoot: readonly string[];
  allowPrivileged: boolean;
}

const KEYS = [
  'registryMirrors',
  'insecureRegistries',
  'offline',
  'hostPathRoots',
  'allowPrivileged',
  'nats',
  'imageCollection',
];

export async function readSettings(root: string, flags: SettingsFlags): Promise<Settings> {
  const path = join(root, 'config.yaml');
  const file = await readSettingsFile(path);
  const mirrors: Record<string, string[]> = {};
  const addMirror = (registry: string, url: string): void => {
    if (URL.parse(url) === null)
      throw new UserError(
        `${JSON.stringify(url)} is no address of a mirror: write it as "docker.io=http://127.0.0.1:5000".`,
      );
    mirrors[registry] = [...(mirrors[registry] ?? []), url];
  };
  for (const flag of flags.registryMirror) {
    const at = flag.indexOf('=');
    addMirror(flag.slice(0, Math.max(0, at)), flag.slice(at + 1));
  }
  for (const [registry, urls] of Object.entries(file.registryMirrors ?? {}))
    for (const url of [urls].flat()) addMirror(registry, url);
  return {
    registry: {
      mirrors,
      insecure: [...flags.insecureRegistry, ...(file.insecureRegistries ?? [])],
      ...(file.offline && { offline: true }),
    },
    hostPathRoots: [...flags.hostPathRoot, ...(file.hostPathRoots ?? [])],
    allowPrivileged: flags.allowPrivileged || file.allowPrivileged === true,
    ...(file.nats !== undefined && { nats: natsUrl(file.nats) }),
    imageCollection: collection(file.imageCollection ?? {}),
  };
}

function collection(given: NonNullable<SettingsFile['imageCollection']>): CollectorSettings {
  const { maxAgeMs, highPercent, lowPercent } = COLLECTOR_DEFAULTS;
  const high = given.highPercent ?? highPercent;
  const settings = {
    maxAgeMs: given.maxAge === undefined ? maxAgeMs : (durationMs(given.maxAge) ?? Number.NaN),
    highPercent: high,
    lowPercent: given.lowPercent ?? Math.min(lowPercent, high),
  };
  const isRight =
    settings.maxAgeMs > 0 && settings.lowPercent > 0 && settings.lowPercent <= high && high <= 100;
  if (!isRight)
    throw new UserError(
      'The setting imageCollection is wrong: write it as {maxAge: 168h, highPercent: 85, lowPercent: 80}.',
    );
  return settings;
}

function natsUrl(text: unknown): string {
  const url = typeof text === 'string' ? URL.parse(text) : null;
  if (url === null || !['nats:', 'tls:'].includes(url.protocol))
    throw new UserError(
      'The setting nats is no address of a NATS server: write it as nats://127.0.0.1:4222.',
    );
  return text as string;
}

async function readSettingsFile(path: string): Promise<SettingsFile> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return {};
  let document: unknown;
  try {
    document = parse(text) ?? {};
  } catch (error) {
    throw new UserError(`${path} is not YAML: ${(error as Error).message}`, { cause: error });
  }
  if (typeof document !== 'object' || document === null || Array.isArray(document))
    throw new UserError(`${path} must hold settings by name.`);
  const strange = Object.keys(document).find((key) => !KEYS.includes(key));
  if (strange !== undefined)
    throw new UserError(
      `${path} has a setting ${JSON.stringify(strange)} that is not known: there are ${KEYS.join(', ')}.`,
    );
  return document as SettingsFile;
}

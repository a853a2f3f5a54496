import { RenderError } from '../go-template/index.ts';
import type { Plain, PlainMap } from './file.ts';

/** Private keys, as the tools that make them write them. */
export interface SopsKeys {
  /** "AGE-SECRET-KEY-1…" */
  age: readonly string[];
  /** Armoured private keys of OpenPGP. */
  pgp: readonly string[];
}

/** Services that keep keys for others. */
const SERVICES = ['kms', 'gcp_kms', 'azure_kv', 'hc_vault'] as const;

/** The key that the values of a file are encrypted with, out of the first envelope that one of our keys opens. */
export async function dataKeyOf(path: string, metadata: PlainMap, keys: SopsKeys): Promise<Buffer> {
  if (Number(metadata.get('shamir_threshold') ?? 0) > 1)
    throw new RenderError(
      `${path} is encrypted for several groups of keys, of which more than one is needed: encrypt it for one`,
    );
  const groups = [metadata, ...mapsIn(metadata.get('key_groups'))];
  const age = groups.flatMap((group) => envelopes(group, 'age'));
  const pgp = groups.flatMap((group) => envelopes(group, 'pgp'));
  const found = (await openAge(age, keys.age)) ?? (await openPgp(pgp, keys.pgp));
  if (found !== undefined) return found;
  const services = SERVICES.filter((name) => groups.some((group) => mapsIn(group.get(name)).length > 0));
  throw new RenderError(
    age.length + pgp.length === 0 && services.length > 0
      ? `${path} is encrypted with a key of a service (${services.join(', ')}): encrypt it for a key of age or OpenPGP as well`
      : `${path} is encrypted, and none of the keys that are there opens it: add the right one to the Secret of the decryption`,
  );
}

function mapsIn(value: Plain | undefined): PlainMap[] {
  return Array.isArray(value) ? value.filter((item): item is PlainMap => item instanceof Map) : [];
}

function envelopes(group: PlainMap, kind: 'age' | 'pgp'): string[] {
  return mapsIn(group.get(kind)).flatMap((item) => {
    const text = item.get('enc');
    return typeof text === 'string' ? [text] : [];
  });
}

// Both libraries are large, and few repositories have secrets.

async function openAge(sealed: readonly string[], keys: readonly string[]): Promise<Buffer | undefined> {
  if (sealed.length === 0 || keys.length === 0) return undefined;
  const { armor, Decrypter } = await import('age-encryption');
  const decrypter = new Decrypter();
  try {
    for (const key of keys) decrypter.addIdentity(key);
  } catch (error) {
    throw new RenderError('a key of age cannot be read: it has the form AGE-SECRET-KEY-1…', { cause: error });
  }
  for (const text of sealed)
    try {
      return Buffer.from(await decrypter.decrypt(armor.decode(text)));
    } catch {
      // It is for somebody else.
    }
  return undefined;
}

async function openPgp(sealed: readonly string[], keys: readonly string[]): Promise<Buffer | undefined> {
  if (sealed.length === 0 || keys.length === 0) return undefined;
  const { decrypt, readMessage, readPrivateKeys } = await import('openpgp');
  const read = await Promise.all(keys.map((armoredKeys) => readPrivateKeys({ armoredKeys }))).catch(
    (error: unknown) => {
      throw new RenderError('a key of OpenPGP cannot be read: export it with gpg --armor', { cause: error });
    },
  );
  const decryptionKeys = read.flat();
  for (const armoredMessage of sealed)
    try {
      const message = await readMessage({ armoredMessage });
      const { data } = await decrypt({ message, decryptionKeys, format: 'binary' });
      return Buffer.from(data);
    } catch {
      // It is for somebody else.
    }
  return undefined;
}

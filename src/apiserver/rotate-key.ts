import { join } from 'node:path';
import { CHECKPOINT_BYTES, HISTORY } from './api-server.ts';
import { ENCRYPTED_COLLECTIONS } from './kinds/index.ts';
import { addEncryptionKey, keepNewestEncryptionKey } from './pki/index.ts';
import { Cipher, Store } from './store/index.ts';

/**
 * Seals everything anew with a new key and forgets the old one. The server must be stopped. Whatever moment
 * this ends at, the keys that are needed are there: the old one goes last.
 */
export async function rotateKey(dataDir: string, now: () => number): Promise<{ keyId: number }> {
  const pki = join(dataDir, 'pki');
  const keys = await addEncryptionKey(pki);
  const store = await Store.open({
    dir: join(dataDir, 'store'),
    history: HISTORY,
    checkpointBytes: CHECKPOINT_BYTES,
    cipher: new Cipher(keys),
    encrypted: ENCRYPTED_COLLECTIONS,
    now,
  });
  try {
    await store.checkpoint();
  } finally {
    await store.close();
  }
  await keepNewestEncryptionKey(pki);
  return { keyId: keys.at(-1)!.id };
}

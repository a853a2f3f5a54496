import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

const IV = 12;
const TAG = 16;
const HEAD = 4 + IV + TAG;

export interface EncryptionKey {
  id: number;
  secret: Buffer;
}

/**
 * AES-256-GCM for values at rest. The newest key encrypts, every key decrypts, so that keys can rotate
 * without a pause. The record's key is authenticated too: a value cannot be moved to another name.
 */
export class Cipher {
  readonly #keys: Map<number, Buffer>;
  readonly #current: EncryptionKey;

  constructor(keys: readonly EncryptionKey[]) {
    const current = keys.at(-1);
    if (current === undefined) throw new RangeError('a cipher needs at least one key');
    this.#keys = new Map(keys.map((key) => [key.id, key.secret]));
    this.#current = current;
  }

  encrypt(name: string, plain: Buffer): Buffer {
    const iv = randomBytes(IV);
    const cipher = createCipheriv('aes-256-gcm', this.#current.secret, iv).setAAD(Buffer.from(name));
    const body = Buffer.concat([cipher.update(plain), cipher.final()]);
    const head = Buffer.alloc(4);
    head.writeUInt32LE(this.#current.id);
    return Buffer.concat([head, iv, cipher.getAuthTag(), body]);
  }

  decrypt(name: string, sealed: Buffer): Buffer {
    const id = sealed.readUInt32LE(0);
    const secret = this.#keys.get(id);
    if (secret === undefined)
      throw new Error(`The key ${id} that encrypted ${JSON.stringify(name)} is missing in pki/.`);
    const decipher = createDecipheriv('aes-256-gcm', secret, sealed.subarray(4, 4 + IV));
    decipher.setAAD(Buffer.from(name)).setAuthTag(sealed.subarray(4 + IV, HEAD));
    return Buffer.concat([decipher.update(sealed.subarray(HEAD)), decipher.final()]);
  }
}

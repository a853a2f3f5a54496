import { createCipheriv, createDecipheriv, createHmac, randomBytes, scryptSync } from 'node:crypto';
import bcrypt from 'bcryptjs';
import { RenderError, type TemplateFunction } from '../go-template/index.ts';
import { intArg, textArg } from './arguments.ts';

const MAX_BYTES = 1024 * 1024;
/** The templates of the Master Password algorithm, by kind. */
const PASSWORDS: Readonly<Record<string, readonly string[]>> = {
  maximum: ['anoxxxxxxxxxxxxxxxxx', 'axxxxxxxxxxxxxxxxxno'],
  long: [
    'CvcvnoCvcvCvcv',
    'CvcvCvcvnoCvcv',
    'CvcvCvcvCvcvno',
    'CvccnoCvcvCvcv',
    'CvccCvcvnoCvcv',
    'CvccCvcvCvcvno',
    'CvcvnoCvccCvcv',
    'CvcvCvccnoCvcv',
    'CvcvCvccCvcvno',
    'CvcvnoCvcvCvcc',
    'CvcvCvcvnoCvcc',
    'CvcvCvcvCvccno',
    'CvccnoCvccCvcv',
    'CvccCvccnoCvcv',
    'CvccCvccCvcvno',
    'CvcvnoCvccCvcc',
    'CvcvCvccnoCvcc',
    'CvcvCvccCvccno',
    'CvccnoCvcvCvcc',
    'CvccCvcvnoCvcc',
    'CvccCvcvCvccno',
  ],
  medium: ['CvcnoCvc', 'CvcCvcno'],
  short: ['Cvcn'],
  basic: ['aaanaaan', 'aannaaan', 'aaannaaa'],
  pin: ['nnnn'],
};
const CHARACTERS: Readonly<Record<string, string>> = {
  V: 'AEIOU',
  C: 'BCDFGHJKLMNPQRSTVWXYZ',
  v: 'aeiou',
  c: 'bcdfghjklmnpqrstvwxyz',
  A: 'AEIOUBCDFGHJKLMNPQRSTVWXYZ',
  a: 'AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz',
  n: '0123456789',
  o: "@&%?,=[]_:-+*$#!'^~;()/.",
  x: 'AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()',
};

function hash(password: string): string {
  return bcrypt.hashSync(password, 10).replace(/^\$2b\$/, '$2a$');
}

function aesKey(password: string): Buffer {
  const key = Buffer.alloc(32);
  Buffer.from(password).copy(key);
  return key;
}

function counted(text: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(Buffer.byteLength(text));
  return Buffer.concat([length, Buffer.from(text)]);
}

function derivePassword(counter: number, kind: string, password: string, user: string, site: string): string {
  const templates = PASSWORDS[kind];
  if (templates === undefined) return `cannot find password template ${kind}`;
  const scope = 'com.lyndir.masterpassword';
  const salt = Buffer.concat([Buffer.from(scope), counted(user)]);
  const key = scryptSync(password, salt, 64, { N: 32_768, r: 8, p: 2, maxmem: 128 * 1024 * 1024 });
  const count = Buffer.alloc(4);
  count.writeUInt32BE(counter);
  const seed = createHmac('sha256', key)
    .update(Buffer.concat([Buffer.from(scope), counted(site), count]))
    .digest();
  const template = templates[seed[0]! % templates.length]!;
  return [...template]
    .map((mark, at) => CHARACTERS[mark]![seed[at + 1]! % CHARACTERS[mark]!.length]!)
    .join('');
}

export const CRYPTO: Readonly<Record<string, TemplateFunction>> = {
  bcrypt: (password) => hash(textArg(password, 0)),
  htpasswd: (user, password) => {
    const name = textArg(user, 0);
    return name.includes(':') ? `invalid username: ${name}` : `${name}:${hash(textArg(password, 1))}`;
  },
  derivePassword: (counter, kind, password, user, site) =>
    derivePassword(
      intArg(counter, 0),
      textArg(kind, 1),
      textArg(password, 2),
      textArg(user, 3),
      textArg(site, 4),
    ),
  encryptAES: (password, text) => {
    const iv = randomBytes(16);
    const cipher = createCipheriv('aes-256-cbc', aesKey(textArg(password, 0)), iv);
    return Buffer.concat([iv, cipher.update(textArg(text, 1)), cipher.final()]).toString('base64');
  },
  decryptAES: (password, text) => {
    const bytes = Buffer.from(textArg(text, 1), 'base64');
    const cipher = createDecipheriv('aes-256-cbc', aesKey(textArg(password, 0)), bytes.subarray(0, 16));
    return Buffer.concat([cipher.update(bytes.subarray(16)), cipher.final()]).toString();
  },
  randBytes: (count) => {
    const size = intArg(count, 0);
    if (size < 0 || size > MAX_BYTES) throw new RenderError(`${size} bytes are too many`);
    return randomBytes(size).toString('base64');
  },
};

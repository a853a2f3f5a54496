import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { isIP } from 'node:net';
import { RenderError, Struct, type TemplateFunction, type Value } from '../go-template/index.ts';
import { intArg, textArg } from './arguments.ts';
import { bits, boolean, der, integer, nothing, octets, oid, sequence, set, time, utf8 } from './der.ts';

const DAY_MS = 86_400_000;
const RSA_SHA256 = '1.2.840.113549.1.1.11';
const COMMON_NAME = '2.5.4.3';
const SUBJECT_KEY = '2.5.29.14';
const KEY_USAGE = '2.5.29.15';
const ALTERNATIVES = '2.5.29.17';
const BASIC_CONSTRAINTS = '2.5.29.19';
const AUTHORITY_KEY = '2.5.29.35';
const EXTENDED_USAGE = '2.5.29.37';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

interface Issuer {
  name: Buffer;
  key: KeyObject;
}

interface Wanted {
  commonName: string;
  days: number;
  addresses: readonly string[];
  names: readonly string[];
  isAuthority: boolean;
  key: KeyObject;
}

/** Certificates that charts make for themselves. */
export function certificates(now: () => number): Readonly<Record<string, TemplateFunction>> {
  const make = (wanted: Wanted, issuer?: Issuer): Struct =>
    certificateStruct(certificate(wanted, issuer, now()), wanted.key);
  const leaf = (name: Value, addresses: Value, names: Value, days: Value, key: KeyObject): Wanted => ({
    commonName: textArg(name, 0),
    days: intArg(days, 3),
    addresses: listOf(addresses),
    names: listOf(names),
    isAuthority: false,
    key,
  });
  const authority = (name: Value, days: Value, key: KeyObject): Wanted => ({
    commonName: textArg(name, 0),
    days: intArg(days, 1),
    addresses: [],
    names: [],
    isAuthority: true,
    key,
  });
  return {
    genPrivateKey: (kind) => privateKeyText(textArg(kind, 0)),
    genCA: (name, days) => make(authority(name, days, newKey())),
    genCAWithKey: (name, days, key) => make(authority(name, days, readKey(key))),
    genSelfSignedCert: (name, addresses, names, days) => make(leaf(name, addresses, names, days, newKey())),
    genSelfSignedCertWithKey: (name, addresses, names, days, key) =>
      make(leaf(name, addresses, names, days, readKey(key))),
    genSignedCert: (name, addresses, names, days, ca) =>
      make(leaf(name, addresses, names, days, newKey()), issuerOf(ca)),
    genSignedCertWithKey: (name, addresses, names, days, ca, key) =>
      make(leaf(name, addresses, names, days, readKey(key)), issuerOf(ca)),
    buildCustomCert: (cert, key) => {
      const [certText, keyText] = [cert, key].map((text, at) =>
        Buffer.from(textArg(text, at), 'base64').toString(),
      );
      createPrivateKey(keyText!);
      return pair(new X509Certificate(certText!).toString(), keyText!);
    },
  };
}

function listOf(value: Value): string[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw new RenderError('a list of names is wanted');
  return value.map(String);
}

function newKey(): KeyObject {
  return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
}

function readKey(text: Value): KeyObject {
  return createPrivateKey(String(text));
}

function privateKeyText(kind: string): string {
  switch (kind) {
    case '':
    case 'rsa':
      return pemOf(generateKeyPairSync('rsa', { modulusLength: 4096 }).privateKey);
    case 'ecdsa':
      return pemOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
    case 'ed25519':
      return pemOf(generateKeyPairSync('ed25519').privateKey);
    default:
      return `Unknown type ${kind}`;
  }
}

function pemOf(key: KeyObject): string {
  const type = key.asymmetricKeyType === 'rsa' ? 'pkcs1' : key.asymmetricKeyType === 'ec' ? 'sec1' : 'pkcs8';
  return key.export({ type, format: 'pem' }).toString();
}

function pair(cert: string, key: string): Struct {
  return new Struct(
    'certificate',
    new Map([
      ['Cert', cert],
      ['Key', key],
    ]),
  );
}

function certificateStruct(bytes: Buffer, key: KeyObject): Struct {
  const base64 = bytes.toString('base64').replaceAll(/.{64}/g, '$&\n').trimEnd();
  return pair(`-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`, pemOf(key));
}

function issuerOf(ca: Value): Issuer {
  if (!(ca instanceof Struct))
    throw new RenderError('a certificate of an authority is wanted: make one with genCA');
  const subject = new X509Certificate(String(ca.members.get('Cert'))).subject;
  const name = /(?:^|\n)CN=(.*)(?:\n|$)/.exec(subject)?.[1] ?? '';
  return { name: distinguished(name), key: readKey(ca.members.get('Key')) };
}

function distinguished(commonName: string): Buffer {
  return sequence(set(sequence(oid(COMMON_NAME), utf8(commonName))));
}

function keyIdentifier(key: KeyObject): Buffer {
  return createHash('sha1')
    .update(createPublicKey(key).export({ type: 'spki', format: 'der' }))
    .digest();
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), octets(value));
}

function certificate(wanted: Wanted, issuer: Issuer | undefined, now: number): Buffer {
  const { commonName, days, isAuthority, key, addresses, names } = wanted;
  const subject = distinguished(commonName);
  const signer = issuer ?? { name: subject, key };
  const algorithm = sequence(oid(RSA_SHA256), nothing());
  if (signer.key.asymmetricKeyType !== 'rsa')
    throw new RenderError('only RSA keys can sign certificates here');
  const alternatives = [
    ...addresses.map((address) => der(0x87, addressBytes(address))),
    ...names.map((name) => der(0x82, Buffer.from(name))),
  ];
  const extensions = [
    // Signatures and encryption of keys; an authority signs certificates as well.
    extension(KEY_USAGE, isAuthority ? bits(Buffer.from([0xa4]), 2) : bits(Buffer.from([0xa0]), 5), true),
    extension(EXTENDED_USAGE, sequence(oid(SERVER_AUTH), oid(CLIENT_AUTH))),
    extension(BASIC_CONSTRAINTS, isAuthority ? sequence(boolean(true)) : sequence(), true),
    extension(SUBJECT_KEY, octets(keyIdentifier(key))),
    extension(AUTHORITY_KEY, sequence(der(0x80, keyIdentifier(signer.key)))),
    ...(alternatives.length > 0 ? [extension(ALTERNATIVES, sequence(...alternatives))] : []),
  ];
  const body = sequence(
    der(0xa0, integer(Buffer.from([2]))),
    integer(Buffer.concat([Buffer.from([1]), randomBytes(15)])),
    algorithm,
    signer.name,
    sequence(time(now), time(now + days * DAY_MS)),
    subject,
    createPublicKey(key).export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  return sequence(body, algorithm, bits(sign('sha256', body, signer.key)));
}

function addressBytes(address: string): Buffer {
  const version = isIP(address);
  if (version === 0) throw new RenderError(`${JSON.stringify(address)} is no IP address`);
  if (version === 4) return Buffer.from(address.split('.').map(Number));
  const [head = '', tail] = address.split('::');
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const missing = tail === undefined ? 0 : 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array.from({ length: missing }, () => '0'), ...groups(tail ?? '')];
  return Buffer.from(all.map((group) => group.padStart(4, '0')).join(''), 'hex');
}

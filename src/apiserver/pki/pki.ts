import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  webcrypto,
  X509Certificate,
} from 'node:crypto';
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { EncryptionKey } from '../store/index.ts';

/** Everything secret that the API server owns, under `pki/`. */
export interface Pki {
  caCertificate: string;
  serverCertificate: string;
  serverKey: string;
  /** By this certificate extension servers know that a request comes from here. */
  proxyCertificate: string;
  proxyKey: string;
  accountKey: string;
  adminToken: string;
  encryptionKeys: EncryptionKey[];
}

const YEAR_MS = 365 * 24 * 3600 * 1000;
const CA_YEARS = 10;
const RENEW_BEFORE_MS = 30 * 24 * 3600 * 1000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** Reads the keys and certificates of a data directory, making what is missing and renewing what runs out. */
export async function loadPki(dir: string, now: number): Promise<Pki> {
  await mkdir(dir, { recursive: true, mode: 0o700 });
  const authority = await loadAuthority(dir, now);
  const server = await loadCertificate(dir, 'server', authority, now, serverNames());
  const proxy = await loadCertificate(dir, 'proxy', authority, now, undefined);
  return {
    caCertificate: authority.certificate,
    serverCertificate: server.certificate,
    serverKey: server.key,
    proxyCertificate: proxy.certificate,
    proxyKey: proxy.key,
    accountKey: await loadOrMake(join(dir, 'sa.key'), () =>
      generateKeyPairSync('ec', { namedCurve: 'P-256' })
        .privateKey.export({ type: 'pkcs8', format: 'pem' })
        .toString(),
    ),
    adminToken: (
      await loadOrMake(join(dir, 'admin.token'), () => randomBytes(32).toString('base64url'))
    ).trim(),
    encryptionKeys: await loadEncryptionKeys(dir),
  };
}

/** Every file of the directory, for a backup. */
export async function readPkiFiles(dir: string): Promise<Record<string, string>> {
  const files: Record<string, string> = {};
  for (const name of await readdir(dir))
    if (!name.endsWith('.tmp')) files[name] = await readFile(join(dir, name), 'utf8');
  return files;
}

/** Adds a key that encrypts from now on; the older ones still decrypt. */
export async function addEncryptionKey(dir: string): Promise<EncryptionKey[]> {
  const keys = await loadEncryptionKeys(dir);
  const all = [...keys, { id: (keys.at(-1)?.id ?? 0) + 1, secret: randomBytes(32) }];
  await writeDurably(join(dir, 'encryption.keys'), formatKeys(all));
  return all;
}

/** Forgets all keys but the newest: nothing may be sealed with the others any more. */
export async function keepNewestEncryptionKey(dir: string): Promise<void> {
  const keys = await loadEncryptionKeys(dir);
  await writeDurably(join(dir, 'encryption.keys'), formatKeys(keys.slice(-1)));
}

async function loadEncryptionKeys(dir: string): Promise<EncryptionKey[]> {
  const text = await loadOrMake(join(dir, 'encryption.keys'), () =>
    formatKeys([{ id: 1, secret: randomBytes(32) }]),
  );
  return text
    .trim()
    .split('\n')
    .map((line) => {
      const [id = '', secret = ''] = line.split(':');
      return { id: Number(id), secret: Buffer.from(secret, 'base64') };
    });
}

function formatKeys(keys: readonly EncryptionKey[]): string {
  return keys.map((key) => `${key.id}:${key.secret.toString('base64')}\n`).join('');
}

async function loadOrMake(path: string, make: () => string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    const text = make();
    await writeDurably(path, text);
    return text;
  }
}

/** All or nothing, readable by the owner only. */
export async function writeDurably(path: string, text: string): Promise<void> {
  const temporary = `${path}.tmp`;
  {
    await using file = await open(temporary, 'w', 0o600);
    await file.writeFile(text);
    await file.sync();
  }
  await rename(temporary, path);
}

interface Authority {
  certificate: string;
  key: string;
}

async function readPair(dir: string, name: string): Promise<Authority | undefined> {
  try {
    return {
      certificate: await readFile(join(dir, `${name}.crt`), 'utf8'),
      key: await readFile(join(dir, `${name}.key`), 'utf8'),
    };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function loadAuthority(dir: string, now: number): Promise<Authority> {
  const known = await readPair(dir, 'ca');
  if (known !== undefined) return known;
  const x509 = await certificates();
  const keys = newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: 'CN=dispatch-ca',
    notBefore: new Date(now - 60_000),
    notAfter: new Date(now + CA_YEARS * YEAR_MS),
    signingAlgorithm: ALGORITHM,
    keys: await cryptoKeys(keys),
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
        true,
      ),
    ],
  });
  return save(dir, 'ca', certificate.toString('pem'), keys);
}

async function loadCertificate(
  dir: string,
  name: 'server' | 'proxy',
  authority: Authority,
  now: number,
  names: string[] | undefined,
): Promise<Authority> {
  const known = await readPair(dir, name);
  if (known !== undefined && isStillGood(known, authority, now, names)) return known;
  const keys = newKeys();
  const extended = names === undefined ? 'clientAuth' : 'serverAuth';
  const certificate = await signCertificate(
    authority,
    {
      subject: names === undefined ? 'CN=dispatch-aggregator' : 'CN=kube-apiserver,O=dispatch',
      names: names ?? [],
      usage: extended,
      notAfter: new Date(now + YEAR_MS),
      now,
    },
    keys,
  );
  return save(dir, name, certificate, keys);
}

function isStillGood(
  pair: Authority,
  authority: Authority,
  now: number,
  names: string[] | undefined,
): boolean {
  const certificate = new X509Certificate(pair.certificate);
  if (Date.parse(certificate.validTo) - now < RENEW_BEFORE_MS) return false;
  if (!certificate.verify(createPublicKey(authority.certificate))) return false;
  return (names ?? []).every(
    (name) => certificate.checkHost(name) !== undefined || certificate.checkIP(name) !== undefined,
  );
}

export interface CertificateRequest {
  subject: string;
  names: readonly string[];
  usage: 'serverAuth' | 'clientAuth';
  notAfter: Date;
  now: number;
}

interface KeyPems {
  privateKey: string;
  publicKey: string;
}

/** A certificate of our authority, as PEM. */
export async function signCertificate(
  authority: Authority,
  request: CertificateRequest,
  keys: KeyPems,
): Promise<string> {
  const x509 = await certificates();
  const issuer = new x509.X509Certificate(authority.certificate);
  const signingKey = await webcrypto.subtle.importKey('pkcs8', derOf(authority.key), ALGORITHM, false, [
    'sign',
  ]);
  const names = request.names.map((name) => ({
    type: /^[\d.]+$|:/.test(name) ? ('ip' as const) : ('dns' as const),
    value: name,
  }));
  const usages = {
    serverAuth: x509.ExtendedKeyUsage.serverAuth,
    clientAuth: x509.ExtendedKeyUsage.clientAuth,
  };
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: request.subject,
    issuer: issuer.subject,
    notBefore: new Date(request.now - 60_000),
    notAfter: request.notAfter,
    signingAlgorithm: ALGORITHM,
    publicKey: (await cryptoKeys(keys)).publicKey,
    signingKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([usages[request.usage]]),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
    ],
  });
  return certificate.toString('pem');
}

/** The library is large and only needed when something has to be signed. */
async function certificates(): Promise<typeof import('@peculiar/x509')> {
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  x509.cryptoProvider.set(webcrypto as never);
  return x509;
}

function newKeys(): KeyPems {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  };
}

async function cryptoKeys(keys: KeyPems): Promise<webcrypto.CryptoKeyPair> {
  const privateKey = await webcrypto.subtle.importKey('pkcs8', derOf(keys.privateKey), ALGORITHM, true, [
    'sign',
  ]);
  const publicKey = await webcrypto.subtle.importKey('spki', derOf(keys.publicKey), ALGORITHM, true, [
    'verify',
  ]);
  return { privateKey, publicKey };
}

function derOf(pem: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ''), 'base64'));
}

function serial(): string {
  return createHash('sha256')
    .update(randomBytes(16))
    .digest('hex')
    .slice(0, 30)
    .replace(/^[89a-f]/, '1');
}

async function save(dir: string, name: string, certificate: string, keys: KeyPems): Promise<Authority> {
  await writeDurably(join(dir, `${name}.key`), keys.privateKey);
  await writeDurably(join(dir, `${name}.crt`), `${certificate}\n`);
  return { certificate, key: keys.privateKey };
}

function serverNames(): string[] {
  const service = [
    'kubernetes',
    'kubernetes.default',
    'kubernetes.default.svc',
    'kubernetes.default.svc.cluster.local',
  ];
  const own = hostname().toLowerCase();
  return [
    'localhost',
    '127.0.0.1',
    '::1',
    '10.96.0.1',
    ...service,
    ...(/^[a-z0-9][-a-z0-9.]*$/.test(own) ? [own] : []),
  ];
}

import { createHash } from 'node:crypto';
import { XMLParser } from 'fast-xml-parser';
import ignore from 'ignore';
import { isRecord, readLimited } from '../../kube/index.ts';
import { normal, RenderError } from '../../render/index.ts';
import { S3 } from '../../scm/index.ts';
import type { WriteFile } from '../sources/repositories.ts';
import { SourceNotReady } from './not-ready.ts';
import type { SourceObject } from './resources.ts';

export interface BucketAccess {
  keys: { id: string; secret: string } | undefined;
  fetch: typeof fetch;
}

interface Listed {
  key: string;
  tag: string;
  size: number;
}

const TIMEOUT_MS = 60_000;
const MAX_FILES = 20_000;
const MAX_FILE = 16 * 1024 * 1024;
const MAX_TOTAL = 256 * 1024 * 1024;
const MAX_PAGE = 16 * 1024 * 1024;
const AT_ONCE = 8;
const AMAZON = /(?:^|\.)amazonaws\.com$/;
/** What lies beside manifests and never is one. */
const NEVER = ['.git/', '.gitignore', '.gitmodules', '.gitattributes', '.sourceignore'];
const PARSER = new XMLParser({ parseTagValue: false, isArray: (name) => name === 'Contents' });

/** What a bucket has now: a revision that changes with it, and its files. */
export async function listBucket(
  { spec }: SourceObject,
  access: BucketAccess,
): Promise<{ revision: string; fill: (write: WriteFile) => Promise<void> }> {
  const storage = storageOf(spec, access);
  const bucket = spec.bucketName ?? '';
  const ignored = ignore().add([...NEVER, spec.ignore ?? '']);
  const found = (await list(storage, bucket, spec.prefix ?? '')).filter(
    ({ key }) => !key.endsWith('/') && isPath(key) && !ignored.ignores(key),
  );
  check(bucket, found);
  const index = found.map(({ key, tag }) => `${key} ${tag}\n`).sort();
  return {
    revision: `sha256:${createHash('sha256').update(index.join('')).digest('hex')}`,
    fill: async (write) => {
      for (let at = 0; at < found.length; at += AT_ONCE)
        await Promise.all(
          found.slice(at, at + AT_ONCE).map(async ({ key }) => write(key, await read(storage, bucket, key))),
        );
    },
  };
}

function storageOf(spec: SourceObject['spec'], { keys, fetch }: BucketAccess): S3 {
  const { provider = 'generic', endpoint = '', insecure, region = 'us-east-1' } = spec;
  if (provider === 'azure')
    throw new SourceNotReady('Buckets of azure do not speak S3: use a GitRepository or an OCIRepository.');
  if (provider !== 'generic' && keys === undefined)
    throw new SourceNotReady(
      `A bucket of ${provider} needs a Secret with accesskey and secretkey (HMAC keys): name it in secretRef.`,
    );
  const url = `${insecure ? 'http' : 'https'}://${endpoint}`;
  if (!URL.canParse(url) || new URL(url).host !== endpoint.toLowerCase())
    throw new SourceNotReady(
      `${JSON.stringify(endpoint)} is no address of a storage: give HOST or HOST:PORT.`,
    );
  const address = new URL(url);
  return new S3({ endpoint: address, region, pathStyle: !AMAZON.test(address.hostname), keys, fetch });
}

/** Names of objects are anything; files have paths. */
function isPath(key: string): boolean {
  try {
    return normal(key) === key;
  } catch (error) {
    if (error instanceof RenderError) return false;
    throw error;
  }
}

async function list(storage: S3, bucket: string, prefix: string): Promise<Listed[]> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  const found: Listed[] = [];
  for (let token = ''; ; ) {
    const query = {
      'list-type': '2',
      ...(prefix !== '' && { prefix }),
      ...(token !== '' && { 'continuation-token': token }),
    };
    const response = await storage.send({ method: 'GET', bucket, query, signal });
    const page = resultIn((await limited(response, MAX_PAGE, `the list of ${bucket}`)).toString());
    found.push(...page.listed);
    if (found.length > MAX_FILES) throw new RenderError(`${bucket} has more than ${MAX_FILES} files`);
    token = page.next;
    if (token === '') return found;
  }
}

function resultIn(xml: string): { listed: Listed[]; next: string } {
  const parsed: unknown = PARSER.parse(xml);
  const result = isRecord(parsed) ? parsed['ListBucketResult'] : undefined;
  const fields = isRecord(result) ? result : {};
  const items = Array.isArray(fields['Contents']) ? (fields['Contents'] as unknown[]) : [];
  return {
    listed: items
      .filter(isRecord)
      .map((item) => ({ key: String(item['Key']), tag: String(item['ETag']), size: Number(item['Size']) })),
    next: fields['IsTruncated'] === 'true' ? String(fields['NextContinuationToken'] ?? '') : '',
  };
}

function check(bucket: string, found: readonly Listed[]): void {
  const large = found.find(({ size }) => size > MAX_FILE);
  if (large !== undefined)
    throw new RenderError(`${large.key} of ${bucket} is larger than ${MAX_FILE / 1024 / 1024} MiB`);
  if (found.reduce((sum, { size }) => sum + size, 0) > MAX_TOTAL)
    throw new RenderError(`the files of ${bucket} are too large together`);
}

async function read(storage: S3, bucket: string, key: string): Promise<Buffer> {
  const signal = AbortSignal.timeout(TIMEOUT_MS);
  return limited(await storage.send({ method: 'GET', bucket, key, signal }), MAX_FILE, key);
}

async function limited(response: Response, most: number, what: string): Promise<Buffer> {
  const bytes = await readLimited(response.body ?? [], most);
  if (bytes === undefined) throw new RenderError(`${what} is larger than ${most / 1024 / 1024} MiB`);
  return bytes;
}

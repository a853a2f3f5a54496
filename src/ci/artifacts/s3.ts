import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { S3, type S3Server } from '../../scm/index.ts';

/** A bucket of any server that speaks S3. */
export class S3Bucket {
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #storage: S3;

  constructor(bucket: string, prefix: string, storage: S3) {
    this.#bucket = bucket;
    this.#prefix = prefix;
    this.#storage = storage;
  }

  /** Undefined where no keys for a bucket are given: then files of this machine are the storage. */
  static from(
    { location, env }: { location: string | undefined; env: Readonly<Record<string, string>> },
    send: typeof fetch,
  ): S3Bucket | undefined {
    const found = /^s3:\/\/([a-z0-9.-]+)\/?(.*)$/.exec(location ?? '');
    const server = serverFrom(env);
    if (found === null || server === undefined) return undefined;
    return new S3Bucket(found[1]!, found[2]!.replace(/\/$/, ''), new S3({ ...server, fetch: send }));
  }

  async upload(
    name: string,
    directory: string,
    files: readonly { path: string }[],
    signal: AbortSignal,
  ): Promise<void> {
    for (const { path } of files) {
      const key = [this.#prefix, name, path].filter((part) => part !== '').join('/');
      const body = await readFile(join(directory, path));
      const answer = await this.#storage.send({ method: 'PUT', bucket: this.#bucket, key, body, signal });
      await answer.body?.cancel();
    }
  }
}

/** Keys of the environment: those of Amazon's tools, or a configuration of boto. */
function serverFrom(env: Readonly<Record<string, string>>): Omit<S3Server, 'fetch'> | undefined {
  const boto = botoConfig(env['BOTO_CONFIG'] ?? '');
  const id = env['AWS_ACCESS_KEY_ID'] ?? boto['aws_access_key_id'];
  const secret = env['AWS_SECRET_ACCESS_KEY'] ?? boto['aws_secret_access_key'];
  if (!id || !secret) return undefined;
  const region = env['AWS_REGION'] ?? env['AWS_DEFAULT_REGION'] ?? boto['region'] ?? 'us-east-1';
  const host = boto['s3_host'] ?? boto['host'];
  const port = boto['s3_port'];
  const plain = boto['is_secure']?.toLowerCase() === 'false';
  const given =
    env['AWS_ENDPOINT_URL_S3'] ??
    env['AWS_ENDPOINT_URL'] ??
    (host === undefined
      ? undefined
      : `${plain ? 'http' : 'https'}://${host}${port === undefined ? '' : `:${port}`}`);
  return {
    keys: { id, secret, token: env['AWS_SESSION_TOKEN'] },
    region,
    endpoint: new URL(given ?? `https://s3.${region}.amazonaws.com`),
    pathStyle: given !== undefined,
  };
}

function botoConfig(text: string): Record<string, string> {
  return Object.fromEntries(
    text.split('\n').flatMap((line): [string, string][] => {
      const found = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(line);
      return found === null ? [] : [[found[1]!.toLowerCase(), found[2]!]];
    }),
  );
}

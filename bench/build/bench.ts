import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ContentStore, ImageStore, type Manifest, MEDIA } from '../../src/images/index.ts';
import { readLines } from '../../src/kube/index.ts';
import type { Row } from '../main.ts';
import { isInstalled, median, Platform } from '../platform.ts';

const RUNS = 7;
const LAYER_BYTES = 105 * 1024 * 1024;

/** How quickly images are built and unpacked, beside buildah and tar in the same run. */
export async function benchBuild(): Promise<Row[]> {
  await using platform = await Platform.start();
  const context = join(platform.home, 'context');
  await mkdir(context);
  await writeFile(join(context, 'file'), 'x');
  const client = platform.client();
  const { registry } = await platform.file();
  const build = async (noCache: boolean): Promise<number> => {
    const begun = performance.now();
    const stream = await client.stream({
      method: 'POST',
      path: '/apis/run.dispatch.dev/v1alpha1/imagebuilds',
      headers: { 'content-type': 'application/json' },
      body: { context, noCache, tags: [`${registry}/default/bench:1`] },
    });
    for await (const line of readLines(stream)) if (line.includes('"error"')) throw new Error(line);
    return performance.now() - begun;
  };
  await writeFile(
    join(context, 'Dockerfile'),
    'FROM dispatch.local/shell\nCOPY file /file\nRUN echo one > /one\nRUN echo two > /two\n',
  );
  await build(true);
  const fresh = await times(() => build(true));
  const cached = await times(() => build(false));
  await client.close();
  const peer = buildah(context);
  const { ours, tar } = await unpack();
  return [
    {
      name: '3 instructions, no cache, p50',
      value: median(fresh),
      unit: 'ms',
      peer: peer.fresh,
      goal: '≤ 250 ms',
    },
    {
      name: '3 instructions, all cached, p50',
      value: median(cached),
      unit: 'ms',
      peer: peer.cached,
      goal: '≤ 40 ms',
    },
    {
      name: 'unpack 105 MB',
      value: ours,
      unit: 'ms',
      peer: `tar: ${Math.round(tar)} ms`,
      goal: '≤ 1,000 ms',
    },
  ];
}

async function times(run: () => Promise<number>): Promise<number[]> {
  const all: number[] = [];
  for (let at = 0; at < RUNS; at += 1) all.push(await run());
  return all;
}

function buildah(context: string): { fresh: string; cached: string } {
  if (!isInstalled('buildah')) return { fresh: 'buildah is not installed', cached: '—' };
  // The same base: the shell and its libraries.
  const base = spawnSync(
    'sh',
    [
      '-c',
      'c=$(buildah from scratch) && m=$(buildah mount $c) && mkdir -p $m/bin && cp "$(command -v sh)" $m/bin/sh && for l in $(ldd "$(command -v sh)" | grep -o "/[^ ]*"); do mkdir -p $m$(dirname $l); cp -L $l $m$l; done && buildah commit -q $c localhost/bench-base && buildah rm $c',
    ],
    { encoding: 'utf8' },
  );
  if (base.status !== 0) return { fresh: 'buildah cannot make its base here', cached: '—' };
  const file = join(context, 'Dockerfile.peer');
  writeFileSync(
    file,
    'FROM localhost/bench-base\nCOPY file /file\nRUN echo one > /one\nRUN echo two > /two\n',
  );
  const run = (flags: string[]): number => {
    const begun = performance.now();
    const args = [
      'bud',
      '-q',
      '--isolation',
      'chroot',
      '--layers',
      ...flags,
      '-f',
      file,
      '-t',
      'localhost/bench',
      context,
    ];
    const result = spawnSync('buildah', args, { timeout: 20_000 });
    return result.status === 0 ? performance.now() - begun : Number.NaN;
  };
  run([]);
  const fresh = median(Array.from({ length: 3 }, () => run(['--no-cache'])));
  const cached = median(Array.from({ length: 3 }, () => run([])));
  return { fresh: `buildah: ${Math.round(fresh)} ms`, cached: `buildah: ${Math.round(cached)} ms` };
}

async function unpack(): Promise<{ ours: number; tar: number }> {
  const root = await mkdtemp(join(tmpdir(), 'dispatch-unpack-'));
  try {
    const script = `mkdir -p files/a/b && for i in $(seq 1 1000); do head -c 20000 /dev/urandom > files/a/b/$i; done && head -c ${LAYER_BYTES - 20_000_000} /dev/urandom > files/large && tar -czf layer.tgz -C files . && rm -r files`;
    const made = spawnSync('sh', ['-c', script], { cwd: root });
    if (made.status !== 0) throw new Error('the layer could not be made');
    const content = new ContentStore(join(root, 'store'));
    const images = new ImageStore({
      root: join(root, 'store'),
      content,
      arch: process.arch,
      owners: process.getuid?.() === 0,
      now: Date.now,
    });
    await images.open();
    const layer = await content.put(await readFile(join(root, 'layer.tgz')));
    const config = await content.putJson({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [layer.digest] },
    });
    const manifest: Manifest = {
      schemaVersion: 2,
      config: { mediaType: MEDIA.config, ...config },
      layers: [{ mediaType: MEDIA.layerGzip, ...layer }],
    };
    const { digest } = await content.putJson(manifest);
    const image = await images.load(digest, 'bench');
    let begun = performance.now();
    await images.root(image!);
    const ours = performance.now() - begun;
    begun = performance.now();
    const peer = spawnSync('sh', ['-c', 'mkdir out && tar -xzf layer.tgz -C out'], { cwd: root });
    if (peer.status !== 0) throw new Error('tar failed');
    return { ours, tar: performance.now() - begun };
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

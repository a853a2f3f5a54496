import { isAbsolute, join } from 'node:path';
import type { ServedCall, ServedProgram } from '../../node/index.ts';
import { buildInStep, type BuildStepDeps, MAX_FILE_BYTES } from './build-step.ts';
import { Flags } from './flags.ts';

const SWITCHES = [
  'no-push',
  'cache',
  'cache-copy-layers',
  'cache-run-layers',
  'cleanup',
  'compressed-caching',
  'force',
  'ignore-var-run',
  'insecure',
  'insecure-pull',
  'no-push-cache',
  'push-ignore-immutable-tag-errors',
  'reproducible',
  'single-snapshot',
  'skip-push-permission-check',
  'skip-tls-verify',
  'skip-tls-verify-pull',
  'skip-tls-verify-registry',
  'skip-unused-stages',
  'use-new-run',
  'whitelist-var-run',
];
const SHORT = { c: 'context', d: 'destination', f: 'dockerfile', v: 'verbosity' };
/** What kaniko's executor does, with its flags, done by the builder of this process. */
export function kaniko(deps: BuildStepDeps): ServedProgram {
  return async (call) => {
    const flags = new Flags(call.argv.slice(1), { switches: SWITCHES, short: SHORT });
    const destinations = flags.all('destination').map((text) => text.replace(/^https?:\/\//, ''));
    const push = !flags.has('no-push');
    if (destinations.length === 0 && push)
      throw new Error('you must provide --destination, or use --no-push');
    const layout = flags.one('oci-layout-path');
    const tar = flags.one('tar-path', 'tarPath');
    const digest = await buildInStep(
      {
        context: await contextOf(flags, call),
        dockerfile: await dockerfileOf(flags, call),
        destinations,
        push,
        buildArgs: flags.pairs('build-arg', call.env),
        labels: flags.pairs('label', {}),
        target: flags.one('target'),
        outputs: [
          ...(layout === undefined ? [] : [{ type: 'oci' as const, path: layout }]),
          ...(tar === undefined ? [] : [{ type: 'tar' as const, path: tar }]),
        ],
      },
      call,
      deps,
    );
    await tell(flags, call, { digest, destinations });
    return 0;
  };
}

async function tell(
  flags: Flags,
  call: ServedCall,
  { digest, destinations }: { digest: string; destinations: readonly string[] },
): Promise<void> {
  const names = destinations.map((name) => `${name.replace(/:[^:/]+$/, '')}@${digest}\n`).join('');
  const tagged = destinations.map((name) => `${name}@${digest}\n`).join('');
  for (const [flag, text] of [
    ['digest-file', digest],
    ['image-name-with-digest-file', names],
    ['image-name-tag-with-digest-file', tagged],
  ] as const) {
    const path = flags.one(flag);
    if (path !== undefined) await call.paths.write(path, text);
  }
  call.print(`Built ${digest}\n`);
}

async function contextOf(flags: Flags, { paths }: ServedCall): Promise<string> {
  const given = flags.one('context') ?? '/workspace';
  const path = given.replace(/^dir:\/\//, '');
  if (/^\w+:\/\//.test(path)) throw new Error(`the context ${given} is not supported: give a directory`);
  const sub = flags.one('context-sub-path');
  const dir = await paths.directory(sub === undefined ? path : join(path, sub));
  if (dir === undefined)
    throw new Error(`there is no directory ${sub === undefined ? path : join(path, sub)} for the build`);
  return dir;
}

/** A Dockerfile is looked for in the context first, then where the step stands. */
async function dockerfileOf(flags: Flags, { paths }: ServedCall): Promise<string> {
  const given = flags.one('dockerfile') ?? 'Dockerfile';
  const context = (flags.one('context') ?? '/workspace').replace(/^dir:\/\//, '');
  const places = isAbsolute(given)
    ? [given]
    : [join(context, flags.one('context-sub-path') ?? '', given), given];
  for (const place of places) {
    const text = await paths.read(place, MAX_FILE_BYTES);
    if (text !== undefined) return text;
  }
  throw new Error(`there is no Dockerfile at ${places[0]}`);
}

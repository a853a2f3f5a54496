import { isAbsolute, join } from 'node:path';
import type { ServedCall, ServedProgram } from '../../node/index.ts';
import { buildInStep, type BuildStepDeps, MAX_FILE_BYTES } from './build-step.ts';
import { Flags } from './flags.ts';

const SWITCHES = ['no-cache', 'debug'];

/** What buildkit's client does for a Dockerfile, with its flags and no daemon, done by the builder of this process. */
export function buildctl(deps: BuildStepDeps): ServedProgram {
  return async (call) => {
    const flags = new Flags(call.argv.slice(1), { switches: SWITCHES, short: { o: 'output' } });
    if (flags.rest[0] !== 'build')
      throw new Error(`${JSON.stringify(flags.rest[0] ?? '')} is not done here: only build is`);
    const frontend = flags.one('frontend') ?? 'dockerfile.v0';
    if (frontend !== 'dockerfile.v0')
      throw new Error(`the frontend ${frontend} is not known: only dockerfile.v0 is`);
    const options = flags.pairs('opt', {});
    const local = flags.pairs('local', {});
    const context = await directoryOf(call, local['context'] ?? '.');
    const outputs = flags.all('output').map(fieldsOf);
    const images = outputs.filter(({ type }) => type === 'image');
    const digest = await buildInStep(
      {
        context,
        dockerfile: await dockerfileOf(
          call,
          local['dockerfile'] ?? local['context'] ?? '.',
          options['filename'] ?? 'Dockerfile',
        ),
        destinations: images.flatMap(({ name = '' }) => name.split(',').filter((item) => item !== '')),
        push: images.some(({ push }) => push === 'true'),
        buildArgs: withPrefix(options, 'build-arg:'),
        labels: withPrefix(options, 'label:'),
        target: options['target'],
        noCache: flags.has('no-cache'),
        secrets: await secretsOf(call, flags.all('secret').map(fieldsOf)),
        outputs: outputs.flatMap(({ type, dest }) =>
          dest === undefined || (type !== 'oci' && type !== 'docker')
            ? []
            : [{ type: 'tar' as const, path: dest }],
        ),
      },
      call,
      deps,
    );
    const metadata = flags.one('metadata-file');
    if (metadata !== undefined)
      await call.paths.write(metadata, JSON.stringify({ 'containerimage.digest': digest }));
    call.print(`Built ${digest}\n`);
    return 0;
  };
}

/** "type=image,name=a,push=true"; a field in quotes may hold commas: type=image,"name=a,b". */
function fieldsOf(text: string): Record<string, string> {
  const fields = text.match(/"[^"]*"|[^,]+/g) ?? [];
  return Object.fromEntries(
    fields.map((field) => {
      const plain = field.replace(/^"(.*)"$/, '$1');
      const at = plain.indexOf('=');
      return at < 0 ? [plain, 'true'] : [plain.slice(0, at), plain.slice(at + 1)];
    }),
  );
}

function withPrefix(options: Record<string, string>, prefix: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(options).flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [],
    ),
  );
}

async function directoryOf({ paths }: ServedCall, given: string): Promise<string> {
  const dir = await paths.directory(isAbsolute(given) ? given : join('/workspace', given));
  if (dir === undefined) throw new Error(`there is no directory ${given} for the build`);
  return dir;
}

async function dockerfileOf({ paths }: ServedCall, dir: string, name: string): Promise<string> {
  const place = join(isAbsolute(dir) ? dir : join('/workspace', dir), name);
  const text = await paths.read(place, MAX_FILE_BYTES);
  if (text === undefined) throw new Error(`there is no Dockerfile at ${place}`);
  return text;
}

/** Secrets of a build are files of the step, or variables of it. */
async function secretsOf(
  { paths, env }: ServedCall,
  wanted: readonly Record<string, string>[],
): Promise<Record<string, { value: string }>> {
  const secrets: Record<string, { value: string }> = {};
  for (const { id = '', src, source, env: variable } of wanted) {
    const path = src ?? source;
    const value = path === undefined ? env[variable ?? id] : await paths.read(path, MAX_FILE_BYTES);
    if (value === undefined) throw new Error(`the secret ${id} is not there: give src=FILE or env=NAME`);
    secrets[id] = { value };
  }
  return secrets;
}

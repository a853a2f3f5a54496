import {
  chmodSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { MNT_DETACH, MS, O_PATH } from './constants.ts';
import type { MountSpec, RootSpec } from './launch-spec.ts';
import type { Syscalls } from './syscalls.ts';

const DEVICES = ['null', 'zero', 'full', 'random', 'urandom', 'tty'];
const MASKED = ['acpi', 'kcore', 'keys', 'latency_stats', 'timer_list', 'sched_debug', 'scsi', 'kmsg'];
const READ_ONLY = ['bus', 'fs', 'irq', 'sys', 'sysrq-trigger'];
const MAX_LINKS = 40;

/** Puts the container's file system together in this process's own mount namespace, and makes it the root. */
export function enterRoot(sys: Syscalls, spec: RootSpec): void {
  sys.mount('none', '/', null, MS.REC | MS.PRIVATE);
  const { dir } = spec;
  if (spec.lower.length > 0) {
    overlay(sys, dir, { lower: spec.lower, upper: spec.upper, work: spec.work, flags: 0 });
  } else {
    sys.mount(dir, dir, null, MS.BIND | MS.REC);
  }
  mountKernel(sys, spec);
  for (const mount of spec.mounts) mountOne(sys, dir, mount);
  process.chdir(dir);
  sys.pivotRoot('.', '.');
  sys.umount('.', MNT_DETACH);
  process.chdir('/');
  if (spec.readOnly) sys.mount('none', '/', null, MS.REMOUNT | MS.BIND | MS.RDONLY | MS.NODEV);
}

function mountKernel(sys: Syscalls, spec: RootSpec): void {
  const { dir } = spec;
  const proc = directoryIn(dir, 'proc');
  sys.mount('proc', proc, 'proc', MS.NOSUID | MS.NODEV | MS.NOEXEC);
  const dev = directoryIn(dir, 'dev');
  sys.mount('tmpfs', dev, 'tmpfs', MS.NOSUID, 'mode=755,size=65536k');
  for (const name of DEVICES) {
    writeFileSync(join(dev, name), '');
    sys.mount(`/dev/${name}`, join(dev, name), null, MS.BIND);
  }
  for (const [name, to] of [
    ['fd', '/proc/self/fd'],
    ['stdin', '/proc/self/fd/0'],
    ['stdout', '/proc/self/fd/1'],
    ['stderr', '/proc/self/fd/2'],
    ['ptmx', 'pts/ptmx'],
  ] as const)
    symlinkSync(to, join(dev, name));
  for (const name of ['pts', 'shm', 'mqueue']) mkdirSync(join(dev, name));
  sys.mount(
    'devpts',
    join(dev, 'pts'),
    'devpts',
    MS.NOSUID | MS.NOEXEC,
    'newinstance,ptmxmode=0666,mode=0620',
  );
  sys.mount('shm', join(dev, 'shm'), 'tmpfs', MS.NOSUID | MS.NODEV | MS.NOEXEC, 'mode=1777,size=65536k');
  sys.mount('mqueue', join(dev, 'mqueue'), 'mqueue', MS.NOSUID | MS.NODEV | MS.NOEXEC);
  mountSys(sys, directoryIn(dir, 'sys'), spec.hostNetwork);
  if (spec.privileged) return;
  const known = new Set(readdirSync(proc));
  for (const name of READ_ONLY) {
    if (!known.has(name)) continue;
    sys.mount(join(proc, name), join(proc, name), null, MS.BIND | MS.REC);
    sys.mount(
      'none',
      join(proc, name),
      null,
      MS.REMOUNT | MS.BIND | MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC,
    );
  }
  for (const name of MASKED) {
    if (!known.has(name)) continue;
    if (lstatSync(join(proc, name)).isDirectory())
      sys.mount('tmpfs', join(proc, name), 'tmpfs', MS.RDONLY, 'size=0k');
    else sys.mount('/dev/null', join(proc, name), null, MS.BIND);
  }
}

function mountSys(sys: Syscalls, target: string, hostNetwork: boolean): void {
  // The kernel gives a new sysfs only to the owner of the network namespace.
  if (hostNetwork) {
    sys.mount('/sys', target, null, MS.BIND | MS.REC);
    sys.mount('none', target, null, MS.REMOUNT | MS.BIND | MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC);
  } else {
    sys.mount('sysfs', target, 'sysfs', MS.RDONLY | MS.NOSUID | MS.NODEV | MS.NOEXEC);
  }
}

function mountOne(sys: Syscalls, root: string, mount: MountSpec): void {
  if (mount.type === 'tmpfs') {
    const size = mount.sizeBytes === undefined ? '' : `,size=${mount.sizeBytes}`;
    const target = openInside(root, mount.target, 'directory');
    sys.mount(
      'tmpfs',
      `/proc/self/fd/${target}`,
      'tmpfs',
      MS.NOSUID | MS.NODEV,
      `mode=${mount.mode ?? '1777'}${size}`,
    );
    closeSync(target);
    return;
  }
  if (mount.type === 'overlay') {
    mountOverlay(sys, root, mount);
    return;
  }
  const source =
    mount.subPath === undefined
      ? openSync(mount.source, O_PATH)
      : openInside(mount.source, mount.subPath, mount.file ? 'file' : 'directory');
  const kind = fstatSync(source).isDirectory() ? 'directory' : 'file';
  const target = openInside(root, mount.target, kind);
  sys.mount(`/proc/self/fd/${source}`, `/proc/self/fd/${target}`, null, MS.BIND | MS.REC);
  if (mount.readOnly) {
    // The descriptor shows what lies under the new mount: the mount itself is reached by opening anew.
    const over = openInside(root, mount.target, kind);
    sys.mount('none', `/proc/self/fd/${over}`, null, MS.REMOUNT | MS.BIND | MS.RDONLY | MS.NOSUID | MS.NODEV);
    closeSync(over);
  }
  closeSync(source);
  closeSync(target);
}

/** A tree of several layers, with a place for what is written to it. */
function mountOverlay(sys: Syscalls, root: string, mount: Extract<MountSpec, { type: 'overlay' }>): void {
  const there = mount.lower.filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isDirectory());
  const [first] = there;
  if (first === undefined) {
    const file = mount.lower.find((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined);
    if (file === undefined) throw new Error(`What is to be mounted at ${mount.target} is not there.`);
    mountOne(sys, root, { type: 'bind', source: file, target: mount.target, readOnly: true });
    return;
  }
  const [upper, work] = [join(mount.scratch, 'upper'), join(mount.scratch, 'work')];
  for (const path of [upper, work]) mkdirSync(path, { recursive: true });
  const target = openInside(root, mount.target, 'directory');
  const flags = mount.readOnly ? MS.RDONLY : 0;
  overlay(sys, `/proc/self/fd/${target}`, { lower: there, upper, work, flags });
  closeSync(target);
}

function overlay(
  sys: Syscalls,
  target: string,
  layers: { lower: readonly string[]; upper: string; work: string; flags: number },
): void {
  const lower = layers.lower.map(escapeLayer).join(':');
  const [upper, work] = [escapeOption(layers.upper), escapeOption(layers.work)];
  // In a user namespace an overlay keeps its notes in attributes that ordinary users may write.
  const options = `lowerdir=${lower},upperdir=${upper},workdir=${work},userxattr`;
  sys.mount('overlay', target, 'overlay', layers.flags, options);
}

/** A descriptor of a path below `root`, whose symbolic links lead nowhere else. What is missing is made. */
export function openInside(root: string, path: string, kind: 'file' | 'directory'): number {
  const pending = path.split('/').filter((part) => part !== '' && part !== '.');
  const stack = [openSync(root, O_PATH | constants.O_DIRECTORY)];
  let links = 0;
  try {
    while (pending.length > 0) {
      const name = pending.shift()!;
      if (name === '..') {
        if (stack.length > 1) closeSync(stack.pop()!);
        continue;
      }
      const here = `/proc/self/fd/${stack.at(-1)!}/${name}`;
      const found = lstatSync(here, { throwIfNoEntry: false });
      if (found?.isSymbolicLink()) {
        if (++links > MAX_LINKS) throw new Error(`${path} has too many symbolic links.`);
        const to = readlinkSync(here);
        if (to.startsWith('/')) for (const open of stack.splice(1)) closeSync(open);
        pending.unshift(...to.split('/').filter((part) => part !== '' && part !== '.'));
        continue;
      }
      if (found === undefined) create(here, pending.length > 0 ? 'directory' : kind);
      stack.push(openSync(here, O_PATH | constants.O_NOFOLLOW));
    }
    return stack.pop()!;
  } finally {
    for (const open of stack) closeSync(open);
  }
}

function create(path: string, kind: 'file' | 'directory'): void {
  if (kind === 'file')
    closeSync(openSync(path, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o644));
  else {
    mkdirSync(path);
    chmodSync(path, 0o755);
  }
}

function directoryIn(root: string, name: string): string {
  const path = join(root, name);
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) create(path, 'directory');
  else if (!found.isDirectory()) throw new Error(`The image has no directory at /${name}.`);
  return path;
}

function escapeLayer(path: string): string {
  return escapeOption(path).replaceAll(':', '\\:');
}

function escapeOption(path: string): string {
  return path.replaceAll('\\', '\\\\').replaceAll(',', '\\,');
}

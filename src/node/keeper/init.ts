/**
 * The first program of every container and of every command in one. It makes this process what the spec says
 * and then lets the container's program take its place: it is process 1 of a container, not its parent.
 *
 * It is born into the container's process namespace, because the keeper's thread had it prepared when it started
 * this; everything else it enters by itself, so that it can be started before anybody knows what for.
 */
import {
  accessSync,
  closeSync,
  constants,
  fchownSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { flushCompileCache } from 'node:module';
import {
  CAPABILITIES,
  CLONE,
  F_GETFL,
  F_SETFD,
  F_SETFL,
  FD_CLOEXEC,
  PR,
  SIGCHLD,
  SIGPIPE,
  TIOCGPTN,
  TIOCSCTTY,
  TIOCSPTLCK,
} from './constants.ts';
import { identityOf } from './identity.ts';
import type { HoldSpec, LaunchFailure, LaunchSpec, TerminalOffer } from './launch-spec.ts';
import { enterRoot } from './root-fs.ts';
import { seccompProgram } from './seccomp.ts';
import { loadSyscalls, type Syscalls } from './syscalls.ts';

const CHANNEL = 3;
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

class LaunchError extends Error {
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

function readSpec(): LaunchSpec | HoldSpec {
  const chunks: Buffer[] = [];
  const buffer = Buffer.alloc(65_536);
  for (;;) {
    const length = readSync(CHANNEL, buffer, 0, buffer.length, null);
    if (length === 0) process.exit(128);
    const newline = buffer.subarray(0, length).indexOf(10);
    chunks.push(Buffer.from(buffer.subarray(0, newline < 0 ? length : newline)));
    if (newline >= 0) return JSON.parse(Buffer.concat(chunks).toString()) as LaunchSpec | HoldSpec;
  }
}

/**
 * Stays the first process of a namespace that containers share, until the keeper lets go. It keeps all that it may
 * do: who may less cannot look into it or stop it. What ends without a parent needs nobody to wait for it.
 */
function hold(): never {
  loadSyscalls(process.arch).ignoreSignal(SIGCHLD);
  writeSync(CHANNEL, 'held\n');
  while (readSync(CHANNEL, Buffer.alloc(1)) > 0);
  process.exit(0);
}

function launch(spec: LaunchSpec): void {
  const sys = loadSyscalls(process.arch);
  sys.fcntl(CHANNEL, F_SETFD, FD_CLOEXEC);
  for (const file of spec.cgroups) writeFileSync(file, '0');
  sys.setsid();
  enterNamespaces(sys, spec);
  if (spec.root !== undefined) {
    sys.unshare(CLONE.NEWNS | CLONE.NEWCGROUP);
    enterRoot(sys, spec.root);
  }
  process.umask(0o022);
  const identity = identityOf(spec.singleUser ? '0' : spec.user);
  connectStreams(sys, spec, identity.uid);
  const env = withHome(spec.env, identity.home);
  enterDirectory(spec.cwd);
  if (!spec.singleUser) giveStreams(identity.uid);
  dropPrivileges(sys, spec, identity.groups, identity.uid, identity.gid);
  const program = findProgram(spec.argv[0] ?? '', env);
  for (const stream of [0, 1, 2]) {
    // Node's own pipes neither wait nor outlive it: the program's must.
    sys.fcntl(stream, F_SETFD, 0);
    sys.fcntl(stream, F_SETFL, sys.fcntl(stream, F_GETFL, 0) & ~constants.O_NONBLOCK);
  }
  sys.defaultSignal(SIGPIPE);
  sys.closeOnExecFrom(3);
  sys.execve(program, spec.argv, env);
}

function connectStreams(sys: Syscalls, spec: LaunchSpec, uid: number): void {
  if (spec.terminal) openTerminal(sys, spec.singleUser ? undefined : uid);
  else if (!spec.stdin) {
    const nothing = openSync('/dev/null', 'r');
    sys.dup2(nothing, 0);
    closeSync(nothing);
  }
}

/** A terminal of the container's own: its programs find it by name. The keeper takes the other end. */
function openTerminal(sys: Syscalls, owner: number | undefined): void {
  const master = openSync('/dev/pts/ptmx', constants.O_RDWR | constants.O_NOCTTY);
  sys.ioctl(master, TIOCSPTLCK, Buffer.alloc(4));
  const number = Buffer.alloc(4);
  sys.ioctl(master, TIOCGPTN, number);
  const terminal = openSync(`/dev/pts/${number.readUInt32LE(0)}`, constants.O_RDWR | constants.O_NOCTTY);
  const offer: TerminalOffer = { terminal: master };
  writeSync(CHANNEL, `${JSON.stringify(offer)}\n`);
  readSync(CHANNEL, Buffer.alloc(8));
  closeSync(master);
  if (owner !== undefined) fchownSync(terminal, owner, -1);
  sys.ioctl(terminal, TIOCSCTTY, null);
  for (const stream of [0, 1, 2]) sys.dup2(terminal, stream);
  closeSync(terminal);
}

function enterNamespaces(sys: Syscalls, spec: LaunchSpec): void {
  const kinds = {
    cgroup: CLONE.NEWCGROUP,
    uts: CLONE.NEWUTS,
    ipc: CLONE.NEWIPC,
    net: CLONE.NEWNET,
    mnt: CLONE.NEWNS,
  };
  const open = Object.entries(kinds).flatMap(([name, kind]) => {
    const path = spec.namespaces[name as keyof typeof kinds];
    return path === undefined ? [] : [{ kind, fd: openSync(path, 'r') }];
  });
  // Only a thread with a root of its own may move to another mount namespace.
  sys.unshare(CLONE.FS);
  for (const { kind, fd } of open) {
    sys.setns(fd, kind);
    closeSync(fd);
  }
}

function withHome(env: string[], home: string): string[] {
  const full = env.some((entry) => entry.startsWith('PATH=')) ? env : [...env, `PATH=${DEFAULT_PATH}`];
  return full.some((entry) => entry.startsWith('HOME=')) ? full : [...full, `HOME=${home}`];
}

function enterDirectory(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch {
    // A directory that cannot be made is reported by the next line.
  }
  try {
    process.chdir(path);
  } catch (error) {
    throw new LaunchError(
      128,
      `cannot enter the working directory ${path}: ${(error as NodeJS.ErrnoException).code}`,
    );
  }
}

/** A program may open /dev/stdout by name, which takes the right to the pipe behind it. */
function giveStreams(uid: number): void {
  for (const stream of [0, 1, 2]) {
    const found = fstatSync(stream);
    if (found.isFIFO()) fchownSync(stream, uid, found.gid);
  }
}

function dropPrivileges(
  sys: Syscalls,
  spec: LaunchSpec,
  ownGroups: readonly number[],
  uid: number,
  gid: number,
): void {
  if (spec.noNewPrivileges) sys.prctl(PR.SET_NO_NEW_PRIVS, 1);
  if (spec.seccomp) sys.seccomp(seccompProgram(process.arch));
  const kept = new Set(spec.capabilities);
  let mask = 0n;
  for (const [number, name] of CAPABILITIES.entries()) {
    if (kept.has(name)) mask |= 1n << BigInt(number);
    else dropFromBounding(sys, number);
  }
  sys.prctl(PR.CAP_AMBIENT, PR.CAP_AMBIENT_CLEAR_ALL);
  if (!spec.singleUser) {
    sys.setGroups([...new Set([gid, ...ownGroups, ...spec.groups])]);
    sys.setGroup(gid);
    sys.setUser(uid);
  }
  if (uid === 0 || spec.singleUser) sys.capset(mask, mask, 0n);
}

function dropFromBounding(sys: Syscalls, number: number): void {
  try {
    sys.prctl(PR.CAPBSET_DROP, number);
  } catch (error) {
    // A kernel that does not know the capability cannot give it either.
    if ((error as { code?: string }).code !== 'EINVAL') throw error;
  }
}

function findProgram(name: string, env: readonly string[]): string {
  if (name === '') throw new LaunchError(128, 'no command specified');
  if (name.includes('/')) {
    refuseUnlessRunnable(name);
    return name;
  }
  const path = env.find((entry) => entry.startsWith('PATH='))?.slice(5) ?? DEFAULT_PATH;
  for (const directory of path.split(':')) {
    const candidate = `${directory === '' ? '.' : directory}/${name}`;
    if (isRunnable(candidate)) return candidate;
  }
  throw new LaunchError(127, `exec: ${JSON.stringify(name)}: executable file not found in $PATH`);
}

function refuseUnlessRunnable(path: string): void {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined)
    throw new LaunchError(127, `exec: ${JSON.stringify(path)}: stat ${path}: no such file or directory`);
  if (!isRunnable(path)) throw new LaunchError(126, `exec: ${JSON.stringify(path)}: permission denied`);
}

function isRunnable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

// This process never ends by itself, which is when Node would keep what it has compiled.
flushCompileCache();
try {
  const spec = readSpec();
  if ('hold' in spec) hold();
  launch(spec);
} catch (error) {
  const failure: LaunchFailure = {
    message: error instanceof Error ? error.message : String(error),
    code: error instanceof LaunchError ? error.code : 128,
  };
  writeSync(CHANNEL, JSON.stringify(failure));
  process.exit(failure.code);
}

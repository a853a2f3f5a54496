import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import koffi from 'koffi';
import { O_CLOEXEC } from './constants.ts';

/** A call to the kernel that failed: which, on what, and the code as Node's own errors have it. */
export class SyscallError extends Error {
  readonly code: string;

  constructor(call: string, subject: string, errno: number) {
    const code =
      Object.entries(constants.errno).find(([, value]) => value === errno)?.[0] ?? `errno ${errno}`;
    super(`${call}${subject === '' ? '' : ` ${subject}`}: ${code}`);
    this.name = 'SyscallError';
    this.code = code;
  }
}

interface Numbers {
  pivotRoot: number;
  capset: number;
  seccomp: number;
  closeRange: number;
}

/** The same on every processor. */
const PIDFD_OPEN = 434;
const PIDFD_GETFD = 438;

const NUMBERS: Record<string, Numbers> = {
  x64: { pivotRoot: 155, capset: 126, seccomp: 317, closeRange: 436 },
  arm64: { pivotRoot: 41, capset: 91, seccomp: 277, closeRange: 436 },
};

export type Syscalls = ReturnType<typeof loadSyscalls>;

/**
 * The calls that Node lacks. They act on the calling thread: namespaces, root and credentials of Node's other
 * threads stay as they were.
 */
export function loadSyscalls(arch: string) {
  const numbers = NUMBERS[arch];
  if (numbers === undefined) throw new Error(`Sandboxes are not made for ${arch} processors.`);
  const libc = koffi.load(null);
  const syscall4 = libc.func('long syscall(long, uintptr_t, uintptr_t, uintptr_t, uintptr_t)');
  const pivotRoot = libc.func('syscall', 'long', ['long', 'const char *', 'const char *']);
  const withBuffers = libc.func('syscall', 'long', ['long', 'void *', 'void *']);
  const unshare = libc.func('int unshare(int)');
  const setns = libc.func('int setns(int, int)');
  const mount = libc.func('int mount(const char *, const char *, const char *, unsigned long, const char *)');
  const umount2 = libc.func('int umount2(const char *, int)');
  const prctl = libc.func('prctl', 'int', ['int', 'ulong', 'ulong', 'ulong', 'ulong']);
  const seccomp = libc.func('syscall', 'long', ['long', 'uint', 'uint', 'void *']);
  const setresuid = libc.func('syscall', 'long', ['long', 'uint', 'uint', 'uint']);
  const setgroups = libc.func('syscall', 'long', ['long', 'ulong', 'void *']);
  const sethostname = libc.func('int sethostname(const char *, size_t)');
  const socket = libc.func('int socket(int, int, int)');
  const connect = libc.func('int connect(int, void *, uint32)');
  const send = libc.func('long send(int, void *, size_t, int)');
  const recv = libc.func('long recv(int, void *, size_t, int)');
  const fcntl = libc.func('fcntl', 'int', ['int', 'int', 'long']);
  const ioctl = libc.func('ioctl', 'int', ['int', 'ulong', 'void *']);
  const lgetxattr = libc.func('long lgetxattr(const char *, const char *, void *, size_t)');
  const pipe2 = libc.func('int pipe2(void *, int)');
  const dup2 = libc.func('int dup2(int, int)');
  const setsid = libc.func('int setsid()');
  const signal = libc.func('intptr_t signal(int, intptr_t)');
  const execve = libc.func('int execve(const char *, const char **, const char **)');
  const credentials =
    arch === 'x64'
      ? { setresuid: 117, setresgid: 119, setgroups: 116 }
      : { setresuid: 147, setresgid: 149, setgroups: 159 };

  const check = (result: number, call: string, subject = ''): number => {
    if (result < 0) throw new SyscallError(call, subject, koffi.errno());
    return result;
  };

  return {
    unshare: (flags: number) => check(unshare(flags), 'unshare'),
    setns: (fd: number, kind: number) => check(setns(fd, kind), 'setns'),
    mount: (source: string, target: string, type: string | null, flags: number, data: string | null = null) =>
      check(mount(source, target, type, flags, data), 'mount', target),
    umount: (target: string, flags: number) => check(umount2(target, flags), 'umount', target),
    pivotRoot: (to: string, old: string) =>
      check(Number(pivotRoot(numbers.pivotRoot, to, old)), 'pivot_root', to),
    prctl: (option: number, value: number, third = 0) => check(prctl(option, value, third, 0, 0), 'prctl'),
    /** Sets the effective, permitted and inheritable sets of this thread. */
    capset: (effective: bigint, permitted: bigint, inheritable: bigint) => {
      const header = Buffer.alloc(8);
      header.writeUInt32LE(0x20080522, 0);
      const data = Buffer.alloc(24);
      for (const [at, set] of [effective, permitted, inheritable].entries()) {
        data.writeUInt32LE(Number(set & 0xffffffffn), at * 4);
        data.writeUInt32LE(Number(set >> 32n), 12 + at * 4);
      }
      check(Number(withBuffers(numbers.capset, header, data)), 'capset');
    },
    /** Installs a filter: a `sock_fprog` that points to the given program. */
    seccomp: (program: Buffer) => {
      const fprog = Buffer.alloc(16);
      fprog.writeUInt16LE(program.length / 8, 0);
      fprog.writeBigUInt64LE(koffi.address(program), 8);
      check(Number(seccomp(numbers.seccomp, 1, 0, fprog)), 'seccomp');
    },
    setUser: (uid: number) => check(Number(setresuid(credentials.setresuid, uid, uid, uid)), 'setresuid'),
    setGroup: (gid: number) => check(Number(setresuid(credentials.setresgid, gid, gid, gid)), 'setresgid'),
    setGroups: (gids: readonly number[]) => {
      const list = Buffer.alloc(Math.max(4, gids.length * 4));
      for (const [at, gid] of gids.entries()) list.writeUInt32LE(gid, at * 4);
      check(Number(setgroups(credentials.setgroups, gids.length, list)), 'setgroups');
    },
    setHostname: (name: string) => check(sethostname(name, Buffer.byteLength(name)), 'sethostname'),
    socket: (family: number, type: number, protocol: number) =>
      check(socket(family, type, protocol), 'socket'),
    connect: (fd: number, address: Buffer) => check(connect(fd, address, address.length), 'connect'),
    send: (fd: number, bytes: Buffer) => check(Number(send(fd, bytes, bytes.length, 0)), 'send'),
    recv: (fd: number, into: Buffer) => check(Number(recv(fd, into, into.length, 0)), 'recv'),
    fcntl: (fd: number, command: number, value: number) => check(fcntl(fd, command, value), 'fcntl'),
    ioctl: (fd: number, request: number, argument: Buffer | null) =>
      check(ioctl(fd, request, argument), 'ioctl'),
    /** Everything above `first` is closed when another program takes over. */
    closeOnExecFrom: (first: number) =>
      check(Number(syscall4(numbers.closeRange, first, 0xffffffff, 4, 0)), 'close_range'),
    /** A descriptor of another process of ours, as one of this process. */
    takeDescriptor: (pid: number, fd: number) => {
      const process = check(Number(syscall4(PIDFD_OPEN, pid, 0, 0, 0)), 'pidfd_open');
      try {
        return check(Number(syscall4(PIDFD_GETFD, process, fd, 0, 0)), 'pidfd_getfd');
      } finally {
        closeSync(process);
      }
    },
    /** Both ends of a pipe, which programs started later do not inherit by accident. */
    pipe: () => {
      const ends = Buffer.alloc(8);
      check(pipe2(ends, O_CLOEXEC), 'pipe');
      return { read: ends.readInt32LE(0), write: ends.readInt32LE(4) };
    },
    /** The first byte of an attribute of a file; undefined when it has none. */
    attribute: (path: string, name: string) => {
      const value = Buffer.alloc(64);
      const length = Number(lgetxattr(path, name, value, value.length));
      return length > 0 ? value.toString('latin1', 0, 1) : undefined;
    },
    dup2: (from: number, to: number) => check(dup2(from, to), 'dup2'),
    setsid: () => setsid(),
    defaultSignal: (number: number) => signal(number, 0),
    ignoreSignal: (number: number) => signal(number, 1),
    /** Returns only by throwing. */
    execve: (path: string, argv: readonly string[], env: readonly string[]) =>
      check(execve(path, [...argv, null], [...env, null]), 'exec', path),
  };
}

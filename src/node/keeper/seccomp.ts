import { CLONE } from './constants.ts';

const AUDIT_ARCH: Record<string, number> = { x64: 0xc000003e, arm64: 0xc00000b7 };
const X32_BIT = 0x40000000;
const ALLOW = 0x7fff0000;
const EPERM = 0x00050001;
const ENOSYS = 0x00050026;
const NAMESPACE_FLAGS =
  CLONE.NEWNS | CLONE.NEWCGROUP | CLONE.NEWUTS | CLONE.NEWIPC | CLONE.NEWUSER | CLONE.NEWPID | CLONE.NEWNET;
const TIOCSTI = 0x5412;

/** Calls that no ordinary program needs and that have opened holes: refused, by number. [x64, arm64] */
const REFUSED: Record<string, [number | undefined, number]> = {
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  unshare: [272, 97],
  setns: [308, 268],
  open_tree: [428, 428],
  move_mount: [429, 429],
  fsopen: [430, 430],
  fsconfig: [431, 431],
  fsmount: [432, 432],
  fspick: [433, 433],
  mount_setattr: [442, 442],
  keyctl: [250, 219],
  add_key: [248, 217],
  request_key: [249, 218],
  bpf: [321, 280],
  perf_event_open: [298, 241],
  userfaultfd: [323, 282],
  kexec_load: [246, 104],
  kexec_file_load: [320, 294],
  init_module: [175, 105],
  finit_module: [313, 273],
  delete_module: [176, 106],
  open_by_handle_at: [304, 265],
  process_vm_writev: [311, 271],
  swapon: [167, 224],
  swapoff: [168, 225],
  reboot: [169, 142],
  acct: [163, 89],
  quotactl: [179, 60],
  settimeofday: [164, 170],
  clock_settime: [227, 112],
  syslog: [103, 116],
  io_uring_setup: [425, 425],
  iopl: [172, -1],
  ioperm: [173, -1],
  lookup_dcookie: [212, 18],
  vmsplice: [278, 75],
  nfsservctl: [180, 42],
  uselib: [134, -1],
  ustat: [136, -1],
  sysfs: [139, -1],
  modify_ldt: [154, -1],
};
const CLONE_NUMBER: Record<string, number> = { x64: 56, arm64: 220 };
const CLONE3 = 435;
const IOCTL: Record<string, number> = { x64: 16, arm64: 29 };

const LOAD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_SET = 0x45;
const JUMP_GREATER_EQUAL = 0x35;
const RETURN = 0x06;

type Instruction = [code: number, ifTrue: number, ifFalse: number, value: number];

/**
 * A classic BPF program, eight bytes an instruction. Names of the data: 0 number, 4 architecture, 16 first
 * argument, 24 second. A call of another architecture ends the process, as nothing else can be said of it.
 */
export function seccompProgram(arch: string): Buffer {
  const code: Instruction[] = [
    [LOAD, 0, 0, 4],
    [JUMP_EQUAL, 1, 0, AUDIT_ARCH[arch]!],
    [RETURN, 0, 0, 0x80000000],
    [LOAD, 0, 0, 0],
  ];
  if (arch === 'x64') code.push([JUMP_GREATER_EQUAL, 0, 1, X32_BIT], [RETURN, 0, 0, ENOSYS]);
  for (const [x64, arm64] of Object.values(REFUSED)) {
    const number = arch === 'x64' ? x64 : arm64;
    if (number === undefined || number < 0) continue;
    code.push([JUMP_EQUAL, 0, 1, number], [RETURN, 0, 0, EPERM]);
  }
  // The C library falls back from clone3, whose flags a filter cannot see, to clone.
  code.push([JUMP_EQUAL, 0, 1, CLONE3], [RETURN, 0, 0, ENOSYS]);
  code.push(
    [JUMP_EQUAL, 0, 4, CLONE_NUMBER[arch]!],
    [LOAD, 0, 0, 16],
    [JUMP_SET, 0, 1, NAMESPACE_FLAGS >>> 0],
    [RETURN, 0, 0, EPERM],
    [RETURN, 0, 0, ALLOW],
  );
  code.push(
    [JUMP_EQUAL, 0, 3, IOCTL[arch]!],
    [LOAD, 0, 0, 24],
    [JUMP_EQUAL, 0, 1, TIOCSTI],
    [RETURN, 0, 0, EPERM],
  );
  code.push([RETURN, 0, 0, ALLOW]);
  const program = Buffer.alloc(code.length * 8);
  for (const [at, [operation, ifTrue, ifFalse, value]] of code.entries()) {
    program.writeUInt16LE(operation, at * 8);
    program.writeUInt8(ifTrue, at * 8 + 2);
    program.writeUInt8(ifFalse, at * 8 + 3);
    program.writeUInt32LE(value, at * 8 + 4);
  }
  return program;
}

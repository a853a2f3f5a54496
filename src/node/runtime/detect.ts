import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';

export interface Finding {
  check: string;
  ok: boolean;
  detail: string;
  /** How to get more. */
  advice?: string;
}

const NAMESPACES = [
  '--user',
  '--map-root-user',
  '--pid',
  '--fork',
  '--mount',
  '--net',
  '--mount-proc',
  'true',
];
const DOCKER_SOCKETS = ['/var/run/docker.sock', '/run/podman/podman.sock'];

/** What this machine offers for running containers, found by trying and not by versions. */
export function detectRuntime(): Finding[] {
  if (process.platform !== 'linux') {
    return [
      {
        check: 'containers',
        ok: false,
        detail: `${process.platform} has no namespaces: containers cannot run here`,
        advice: 'Run Dispatch on Linux, in a virtual machine for example; everything but pods works here.',
      },
    ];
  }
  return [namespaces(), cgroups(), subordinateIds(), docker()];
}

/** Why containers cannot run, or undefined when they can. */
export function whyNoSandbox(): string | undefined {
  const [first] = detectRuntime();
  return first?.ok === false ? `${first.detail}. ${first.advice ?? ''}`.trim() : undefined;
}

function namespaces(): Finding {
  const result = spawnSync('unshare', NAMESPACES, { encoding: 'utf8' });
  if (result.status === 0)
    return { check: 'containers', ok: true, detail: 'sandboxes of this machine (namespaces and overlays)' };
  if (result.error !== undefined)
    return {
      check: 'containers',
      ok: false,
      detail: 'the program unshare is missing',
      advice: 'Install the package util-linux.',
    };
  const restricted = readOr('/proc/sys/kernel/apparmor_restrict_unprivileged_userns') === '1';
  const disabled =
    readOr('/proc/sys/user/max_user_namespaces') === '0' ||
    readOr('/proc/sys/kernel/unprivileged_userns_clone') === '0';
  return {
    check: 'containers',
    ok: false,
    detail: `user namespaces cannot be made (${result.stderr.trim().split('\n')[0] || 'no reason given'})`,
    advice: restricted
      ? 'AppArmor forbids them: sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0'
      : disabled
        ? 'They are switched off: sudo sysctl user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1'
        : 'Inside of a container, start it with --security-opt seccomp=unconfined; elsewhere try as root.',
  };
}

function cgroups(): Finding {
  const writable = ['/sys/fs/cgroup/cgroup.subtree_control', '/sys/fs/cgroup/memory/tasks'].some((path) => {
    try {
      accessSync(path, constants.W_OK);
      return true;
    } catch {
      return false;
    }
  });
  return writable
    ? { check: 'limits', ok: true, detail: 'memory, processor and process limits are held by control groups' }
    : {
        check: 'limits',
        ok: false,
        detail: 'control groups cannot be written: limits of memory and processor are not held',
        advice:
          'Run as root, or start the server with: systemd-run --user --scope -p Delegate=yes dispatch up',
      };
}

function subordinateIds(): Finding {
  if (process.getuid?.() === 0)
    return { check: 'users in images', ok: true, detail: 'every user and group of an image' };
  const installed = spawnSync('newuidmap', [], { stdio: 'ignore' }).error === undefined;
  const user = readOr('/etc/subuid') ?? '';
  return installed && user !== ''
    ? { check: 'users in images', ok: true, detail: 'by subordinate ids' }
    : {
        check: 'users in images',
        ok: false,
        detail: 'everything in containers runs as one user',
        advice:
          'Install the package uidmap, and have an administrator give you ids in /etc/subuid and /etc/subgid.',
      };
}

function docker(): Finding {
  const socket = DOCKER_SOCKETS.find((path) => existsSync(path));
  return {
    check: 'docker',
    ok: true,
    detail: socket === undefined ? 'not there, and not needed' : `${socket} is there, and not needed`,
  };
}

function readOr(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return undefined;
  }
}

import { readFileSync } from 'node:fs';

export interface Identity {
  uid: number;
  gid: number;
  groups: number[];
  home: string;
}

/** Who a container runs as, by the names that its own files give. Called with the container as the root. */
export function identityOf(user: string, readText: (path: string) => string = readOrEmpty): Identity {
  const [who = '', group] = user.split(':');
  const users = table(readText('/etc/passwd'));
  const entry = /^\d+$/.test(who)
    ? users.find((fields) => fields[2] === who)
    : users.find((fields) => fields[0] === (who === '' ? 'root' : who));
  if (entry === undefined && who !== '' && !/^\d+$/.test(who))
    throw new Error(`unable to find user ${who}: no matching entries in passwd file`);
  const uid = entry === undefined ? Number(who === '' ? 0 : who) : Number(entry[2]);
  const gid = group === undefined || group === '' ? Number(entry?.[3] ?? 0) : groupOf(group, readText);
  const name = entry?.[0];
  const groups = table(readText('/etc/group'))
    .filter((fields) => name !== undefined && fields[3]?.split(',').includes(name))
    .map((fields) => Number(fields[2]));
  return { uid, gid, groups, home: entry?.[5] || '/' };
}

function groupOf(group: string, readText: (path: string) => string): number {
  if (/^\d+$/.test(group)) return Number(group);
  const entry = table(readText('/etc/group')).find((fields) => fields[0] === group);
  if (entry === undefined)
    throw new Error(`unable to find group ${group}: no matching entries in group file`);
  return Number(entry[2]);
}

function table(text: string): string[][] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':'))
    .filter((fields) => /^\d+$/.test(fields[2] ?? ''));
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

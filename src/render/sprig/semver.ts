import { RenderError, Struct, type TemplateFunction } from '../go-template/index.ts';
import { textArg } from './arguments.ts';

export interface Version {
  major: number;
  minor: number;
  patch: number;
  pre: string;
  build: string;
  original: string;
}

const VERSION =
  /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([\da-zA-Z-]+(?:\.[\da-zA-Z-]+)*))?(?:\+([\da-zA-Z-]+(?:\.[\da-zA-Z-]+)*))?$/;
const OPERATOR =
  /^(=|!=|>=|=>|<=|=<|>|<|~>|~|\^)?\s*v?([\dxX*]+)(?:\.([\dxX*]+))?(?:\.([\dxX*]+))?(?:-([\w.-]+))?(?:\+[\w.-]+)?$/;

export function parseVersion(text: string): Version | undefined {
  const found = VERSION.exec(text.trim());
  if (found === null) return undefined;
  const [, major = '0', minor = '0', patch = '0', pre = '', build = ''] = found;
  return { major: Number(major), minor: Number(minor), patch: Number(patch), pre, build, original: text };
}

export function compareVersions(a: Version, b: Version): number {
  return a.major - b.major || a.minor - b.minor || a.patch - b.patch || comparePre(a.pre, b.pre);
}

function comparePre(a: string, b: string): number {
  if (a === b) return 0;
  if (a === '' || b === '') return a === '' ? 1 : -1;
  const [left, right] = [a.split('.'), b.split('.')];
  for (let at = 0; at < Math.max(left.length, right.length); at += 1) {
    const [x, y] = [left[at], right[at]];
    if (x === undefined || y === undefined) return x === undefined ? -1 : 1;
    if (x === y) continue;
    const [isNumberX, isNumberY] = [/^\d+$/.test(x), /^\d+$/.test(y)];
    if (isNumberX && isNumberY) return Number(x) - Number(y);
    if (isNumberX !== isNumberY) return isNumberX ? -1 : 1;
    return x < y ? -1 : 1;
  }
  return 0;
}

/** Whether a version fits: groups joined by "||", in each of them conditions that all have to hold. */
export function satisfies(constraint: string, version: Version): boolean {
  return constraint.split('||').some((group) => conditions(group).every((check) => check(version)));
}

type Check = (version: Version) => boolean;

function conditions(group: string): Check[] {
  const ranges = group.replaceAll(/(\S+)\s+-\s+(\S+)/g, '>=$1 <=$2');
  const parts = ranges
    .replaceAll(/([=!<>~^]+)\s+/g, '$1')
    .split(/[\s,]+/)
    .filter((part) => part !== '');
  if (parts.length === 0) throw new RenderError(`improper constraint: ${group}`);
  return parts.map(condition);
}

function condition(text: string): Check {
  const found = OPERATOR.exec(text);
  if (found === null) throw new RenderError(`improper constraint: ${text}`);
  const [, operator = '', majorText = '', minorText, patchText, pre = ''] = found;
  const wild = (part: string | undefined): boolean => part === undefined || /[xX*]/.test(part);
  const base: Version = {
    major: wild(majorText) ? 0 : Number(majorText),
    minor: wild(minorText) || wild(majorText) ? 0 : Number(minorText),
    patch: wild(patchText) || wild(minorText) ? 0 : Number(patchText),
    pre,
    build: '',
    original: text,
  };
  const open = wild(majorText) ? 3 : wild(minorText) ? 2 : wild(patchText) ? 1 : 0;
  const check = checkOf(operator, base, open);
  // A version before a release fits only where one is asked for.
  return (version) => (version.pre === '' || pre !== '' || operator === '!=') && check(version);
}

function checkOf(operator: string, base: Version, open: number): Check {
  const below =
    (limit: Version | undefined): Check =>
    (version) =>
      limit === undefined || compareVersions(version, limit) < 0;
  const from: Check = (version) => compareVersions(version, base) >= 0;
  const next = (level: number): Version | undefined => {
    const empty = { patch: 0, pre: '', build: '', original: '' };
    if (level === 3) return undefined;
    return level === 2
      ? { ...empty, major: base.major + 1, minor: 0 }
      : { ...empty, major: base.major, minor: base.minor + 1 };
  };
  const within =
    (limit: Version | undefined): Check =>
    (version) =>
      from(version) && below(limit)(version);
  switch (operator) {
    case '>':
      return open === 0
        ? (version) => compareVersions(version, base) > 0
        : (version) => open < 3 && !below(next(open))(version);
    case '<':
      return below(base);
    case '>=':
    case '=>':
      return from;
    case '<=':
    case '=<':
      return open === 0 ? (version) => compareVersions(version, base) <= 0 : below(next(open));
    case '!=':
      return open === 0
        ? (version) => compareVersions(version, base) !== 0
        : (version) => !within(next(open))(version);
    case '^':
      return within(caretLimit(base, open));
    case '~':
    case '~>':
      return within(next(open === 0 ? 1 : open));
    default:
      return open === 0 ? (version) => compareVersions(version, base) === 0 : within(next(open));
  }
}

function caretLimit(base: Version, open: number): Version | undefined {
  const empty = { pre: '', build: '', original: '' };
  if (open === 3) return undefined;
  if (base.major > 0 || open === 2) return { ...empty, major: base.major + 1, minor: 0, patch: 0 };
  if (base.minor > 0 || open === 1) return { ...empty, major: 0, minor: base.minor + 1, patch: 0 };
  return { ...empty, major: 0, minor: 0, patch: base.patch + 1 };
}

function required(text: string): Version {
  const version = parseVersion(text);
  if (version === undefined) throw new RenderError('Invalid Semantic Version');
  return version;
}

export function versionStruct(version: Version): Struct {
  const { major, minor, patch, pre, build, original } = version;
  const members = new Map<string, unknown>([
    ['Major', BigInt(major)],
    ['Minor', BigInt(minor)],
    ['Patch', BigInt(patch)],
    ['Prerelease', pre],
    ['Metadata', build],
    ['Original', original],
  ]);
  return new Struct('*semver.Version', members, {
    text: `${major}.${minor}.${patch}${pre === '' ? '' : `-${pre}`}${build === '' ? '' : `+${build}`}`,
    methods: {
      Compare: (other) =>
        BigInt(Math.sign(compareVersions(version, required(String((other as Struct).text))))),
    },
  });
}

export const SEMVER: Readonly<Record<string, TemplateFunction>> = {
  semver: (text) => versionStruct(required(textArg(text, 0))),
  semverCompare: (constraint, text) => satisfies(textArg(constraint, 0), required(textArg(text, 1))),
};

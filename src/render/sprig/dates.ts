import { Int64, RenderError, type TemplateFunction, Time, type Value } from '../go-template/index.ts';
import { textArg, toInteger, toText } from './arguments.ts';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const MONTHS = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
/** The parts of Go's layouts, the longer before the shorter. */
const LAYOUT =
  /January|Jan|Monday|Mon|MST|2006|Z07:00:00|Z07:00|Z0700|Z07|-07:00:00|-07:00|-0700|-07|002|01|02|03|04|05|06|15|[.,]0+(?!\d)|[.,]9+(?!\d)|PM|pm|_2|1|2|3|4|5/g;
const UNITS_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** A moment in one of Go's layouts. */
export function formatDate(layout: string, time: Time): string {
  const date = new Date(time.ms + time.zoneMinutes * 60_000);
  const [hour, month] = [date.getUTCHours(), date.getUTCMonth()];
  const hour12 = hour % 12 === 0 ? 12 : hour % 12;
  const zone = (mark: string): string => {
    if (mark.startsWith('Z') && time.zoneMinutes === 0) return 'Z';
    const size = Math.abs(time.zoneMinutes);
    const [hours, minutes] = [two(Math.floor(size / 60)), two(size % 60)];
    const sign = time.zoneMinutes < 0 ? '-' : '+';
    if (mark.length === 3) return sign + hours;
    return sign + hours + (mark.includes(':') ? ':' : '') + minutes;
  };
  const parts: Readonly<Record<string, () => string>> = {
    January: () => MONTHS[month]!,
    Jan: () => MONTHS[month]!.slice(0, 3),
    Monday: () => DAYS[date.getUTCDay()]!,
    Mon: () => DAYS[date.getUTCDay()]!.slice(0, 3),
    MST: () => time.zoneName,
    '2006': () => String(date.getUTCFullYear()).padStart(4, '0'),
    '06': () => two(date.getUTCFullYear() % 100),
    '01': () => two(month + 1),
    '1': () => String(month + 1),
    '02': () => two(date.getUTCDate()),
    _2: () => String(date.getUTCDate()).padStart(2, ' '),
    '2': () => String(date.getUTCDate()),
    '002': () =>
      String(Math.floor((date.getTime() - Date.UTC(date.getUTCFullYear(), 0, 1)) / 86_400_000) + 1).padStart(
        3,
        '0',
      ),
    '15': () => two(hour),
    '03': () => two(hour12),
    '3': () => String(hour12),
    '04': () => two(date.getUTCMinutes()),
    '4': () => String(date.getUTCMinutes()),
    '05': () => two(date.getUTCSeconds()),
    '5': () => String(date.getUTCSeconds()),
    PM: () => (hour < 12 ? 'AM' : 'PM'),
    pm: () => (hour < 12 ? 'am' : 'pm'),
  };
  return layout.replaceAll(LAYOUT, (mark) => {
    if (/^[.,][09]/.test(mark)) return fraction(mark, date.getUTCMilliseconds());
    if (/^[Z-]07/.test(mark)) return zone(mark);
    return parts[mark]?.() ?? mark;
  });
}

function fraction(mark: string, ms: number): string {
  const digits = String(ms)
    .padStart(3, '0')
    .padEnd(9, '0')
    .slice(0, mark.length - 1);
  if (mark[1] === '0') return mark[0]! + digits;
  const short = digits.replace(/0+$/, '');
  return short === '' ? '' : mark[0]! + short;
}

/** A date that is written in one of Go's layouts. */
export function parseDate(layout: string, text: string): Time | undefined {
  const names: string[] = [];
  let pattern = '';
  let at = 0;
  for (const found of layout.matchAll(LAYOUT)) {
    pattern += literalPattern(layout.slice(at, found.index)) + patternOf(found[0]);
    names.push(found[0]);
    at = found.index + found[0].length;
  }
  const match = new RegExp(`^${pattern}${literalPattern(layout.slice(at))}$`).exec(text);
  if (match === null) return undefined;
  const values = new Map(names.map((name, index) => [name, match[index + 1] ?? '']));
  const number = (...keys: string[]): number | undefined => {
    const found = keys.map((key) => values.get(key)).find((value) => value !== undefined);
    return found === undefined ? undefined : Number(found);
  };
  const monthName = values.get('January') ?? values.get('Jan');
  const month =
    monthName === undefined
      ? (number('01', '1') ?? 1) - 1
      : MONTHS.findIndex((name) => name.startsWith(monthName));
  const half = values.get('PM') ?? values.get('pm');
  let hour = number('15', '03', '3') ?? 0;
  if (half !== undefined) hour = (hour % 12) + (half.toUpperCase() === 'PM' ? 12 : 0);
  const zoneText = [...values].find(([key]) => /^[Z-]07/.test(key))?.[1];
  const zone = zoneText === undefined || zoneText === 'Z' ? 0 : zoneMinutes(zoneText);
  const ms = Date.UTC(
    number('2006') ?? 2000 + (number('06') ?? 0),
    month,
    number('02', '_2', '2') ?? 1,
    hour,
    number('04', '4') ?? 0,
    number('05', '5') ?? 0,
  );
  return new Time(ms - zone * 60_000, zone, zone === 0 ? 'UTC' : (zoneText ?? ''));
}

function literalPattern(text: string): string {
  return text.replaceAll(/[\\.+*?()|[\]{}^$]/g, '\\$&');
}

function patternOf(mark: string): string {
  if (/^[Z-]07/.test(mark)) return '(Z|[+-]\\d{2}:?\\d{2})';
  if (/^[.,]/.test(mark)) return '([.,]\\d+)?';
  if (mark === '2006') return '(\\d{4})';
  if (/^(January|Jan|Monday|Mon|MST|PM|pm)$/.test(mark)) return '([A-Za-z]+)';
  return /^0\d|15$/.test(mark) ? '(\\d{2})' : '\\s*(\\d{1,2})';
}

function zoneMinutes(text: string): number {
  const [, sign = '+', hours = '0', minutes = '0'] = /^([+-])(\d{2}):?(\d{2})$/.exec(text) ?? [];
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes));
}

/** "1h30m" in milliseconds. */
export function parseDuration(text: string): number | undefined {
  const found = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+|0)$/.exec(text);
  if (found === null) return undefined;
  let total = 0;
  for (const [, size, unit] of found[2]!.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|ms|s|m|h)/g))
    total += Number(size) * UNITS_MS[unit!]!;
  return found[1] === '-' ? -total : total;
}

function showDuration(ms: number): string {
  const seconds = Math.abs(ms) / 1000;
  const sign = ms < 0 ? '-' : '';
  if (seconds < 1) return seconds === 0 ? '0s' : `${sign}${Number((seconds * 1000).toPrecision(12))}ms`;
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  const rest = `${Number((seconds % 60).toPrecision(12))}s`;
  if (hours > 0) return `${sign}${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${sign}${minutes}m${rest}` : sign + rest;
}

const STEPS: readonly (readonly [number, string])[] = [
  [365 * 86_400, 'y'],
  [30 * 86_400, 'mo'],
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'm'],
  [1, 's'],
];

/** What tells the time is given: a rendering has no clock of its own. */
export function dates(now: () => number): Readonly<Record<string, TemplateFunction>> {
  const timeOf = (value: Value): Time => {
    if (value instanceof Time) return value;
    const seconds =
      typeof value === 'bigint' || typeof value === 'object' || typeof value === 'number'
        ? Number(toInteger(value))
        : undefined;
    return new Time(seconds === undefined ? now() : seconds * 1000);
  };
  const inZone = (layout: Value, value: Value, zone: Value): string => {
    const { ms } = timeOf(value);
    return formatDate(textArg(layout, 0), zoned(ms, textArg(zone, 2)));
  };
  const modify: TemplateFunction = (text, value) => {
    const change = parseDuration(textArg(text, 0));
    if (change === undefined) throw new RenderError(`time: invalid duration ${JSON.stringify(text)}`);
    const time = timeOf(value);
    return new Time(time.ms + change, time.zoneMinutes, time.zoneName);
  };
  const toDate = (layout: Value, text: Value): Value => {
    const time = parseDate(textArg(layout, 0), textArg(text, 1));
    if (time === undefined)
      throw new RenderError(
        `parsing time ${JSON.stringify(text)} as ${JSON.stringify(layout)}: cannot parse`,
      );
    return time;
  };
  return {
    now: () => new Time(now()),
    date: (layout, value) => formatDate(textArg(layout, 0), timeOf(value)),
    dateInZone: inZone,
    date_in_zone: inZone,
    htmlDate: (value) => formatDate('2006-01-02', timeOf(value)),
    htmlDateInZone: (value, zone) => inZone('2006-01-02', value, zone),
    dateModify: modify,
    date_modify: modify,
    mustDateModify: modify,
    must_date_modify: modify,
    toDate: (layout, text) => parseDate(textArg(layout, 0), textArg(text, 1)) ?? new Time(Date.UTC(1, 0, 1)),
    mustToDate: toDate,
    unixEpoch: (value) => String(Math.floor(timeOf(value).ms / 1000)),
    ago: (value) => showDuration(Math.round((now() - timeOf(value).ms) / 1000) * 1000),
    // A constant is an int, and Sprig knows int64 and text only.
    duration: (seconds) =>
      showDuration(
        typeof seconds === 'string' || seconds instanceof Int64 ? Number(toInteger(seconds)) * 1000 : 0,
      ),
    durationRound: (value) => {
      const ms =
        typeof value === 'string'
          ? parseDuration(value)
          : value instanceof Time
            ? now() - value.ms
            : Number(toText(value)) / 1e6;
      const seconds = Math.abs(ms ?? 0) / 1000;
      const step = STEPS.find(([size]) => seconds >= size);
      return step === undefined ? '0s' : `${Math.floor(seconds / step[0])}${step[1]}`;
    },
  };
}

function zoned(ms: number, name: string): Time {
  try {
    const parts = new Intl.DateTimeFormat('en-US', {
      timeZone: name === 'Local' || name === '' ? 'UTC' : name,
      timeZoneName: 'longOffset',
    }).formatToParts(ms);
    const short = new Intl.DateTimeFormat('en-US', {
      timeZone: name === 'Local' || name === '' ? 'UTC' : name,
      timeZoneName: 'short',
    }).formatToParts(ms);
    const offset = parts.find(({ type }) => type === 'timeZoneName')?.value ?? '';
    const label = short.find(({ type }) => type === 'timeZoneName')?.value ?? name;
    return new Time(ms, zoneMinutes(offset.replace(/^GMT/, '')), label);
  } catch {
    return new Time(ms);
  }
}

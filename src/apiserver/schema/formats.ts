import { isIP, isIPv4, isIPv6 } from 'node:net';
import { isCidr, parseQuantity } from '../../kube/index.ts';

const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const DURATION = /^(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+$/;
const INT32 = 2 ** 31;

type Check = (value: string) => boolean;

const STRING_FORMATS: Record<string, Check> = {
  'date-time': (value) => DATE_TIME.test(value) && !Number.isNaN(Date.parse(value)),
  date: (value) => /^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value)),
  duration: (value) => DURATION.test(value),
  byte: (value) => BASE64.test(value.replaceAll(/[\r\n]/g, '')),
  quantity: (value) => parseQuantity(value) !== undefined,
  ip: (value) => isIP(value) > 0,
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  uuid: (value) => UUID.test(value),
  uuid3: (value) => UUID.test(value),
  uuid4: (value) => UUID.test(value),
  uuid5: (value) => UUID.test(value),
  uri: (value) => URL.canParse(value),
  hostname: (value) => value.length <= 253 && /^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?$/i.test(value),
  email: (value) => /^[^@\s]+@[^@\s]+$/.test(value),
  mac: (value) => /^(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(value),
};

/** Whether the value keeps to the format; formats that are not known hold nothing back. */
export function matchesFormat(format: string, value: unknown): boolean {
  if (typeof value === 'number') return format !== 'int32' || (value >= -INT32 && value < INT32);
  const check =
    typeof value === 'string' && Object.hasOwn(STRING_FORMATS, format) ? STRING_FORMATS[format] : undefined;
  return check === undefined || check(value as string);
}

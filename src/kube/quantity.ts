/** Kubernetes quantities ("500m", "1Gi", "1e3"), held exactly as an integer of nano-units. */
const PATTERN = /^([+-]?)(\d+\.?\d*|\.\d+)(?:([eE][+-]?\d{1,3})|(n|u|m|k|Ki|M|Mi|G|Gi|T|Ti|P|Pi|E|Ei))?$/;
const NANO = 1_000_000_000n;

const DECIMAL: Record<string, number> = { n: -9, u: -6, m: -3, '': 0, k: 3, M: 6, G: 9, T: 12, P: 15, E: 18 };
const BINARY: Record<string, bigint> = {
  Ki: 1n << 10n,
  Mi: 1n << 20n,
  Gi: 1n << 30n,
  Ti: 1n << 40n,
  Pi: 1n << 50n,
  Ei: 1n << 60n,
};
const MAX_DIGITS = 40;

export type QuantityFormat = 'decimal' | 'binary' | 'exponent';

export interface Quantity {
  nano: bigint;
  format: QuantityFormat;
}

export function parseQuantity(text: string): Quantity | undefined {
  const match = text.length <= MAX_DIGITS ? PATTERN.exec(text) : null;
  if (match === null) return undefined;
  const [, sign, digits = '', exponent, suffix = ''] = match;
  const [whole = '', fraction = ''] = digits.split('.');
  const mantissa = BigInt(`${whole}${fraction}` || '0');
  const binary = BINARY[suffix];
  let nano: bigint;
  if (binary !== undefined) nano = ceilDiv(mantissa * binary * NANO, 10n ** BigInt(fraction.length));
  else
    nano = shift(mantissa, (exponent ? Number(exponent.slice(1)) : DECIMAL[suffix]!) - fraction.length + 9);
  const format = binary !== undefined ? 'binary' : exponent ? 'exponent' : 'decimal';
  return { nano: sign === '-' ? -nano : nano, format };
}

/** The form in which Kubernetes shows the quantity; undefined when the text is none. */
export function canonicalQuantity(text: string): string | undefined {
  if (text === '0' || /^[1-9]\d{0,2}(?:[mkMGTPE]|[KMGTPE]i)?$/.test(text)) return text;
  const parsed = parseQuantity(text);
  return parsed && formatQuantity(parsed);
}

export function formatQuantity({ nano, format }: Quantity): string {
  if (nano === 0n) return '0';
  const sign = nano < 0n ? '-' : '';
  const size = nano < 0n ? -nano : nano;
  if (format === 'binary' && size >= 1024n * NANO && size % NANO === 0n)
    return sign + binaryForm(size / NANO);
  let exponent = -9;
  let mantissa = size;
  while (mantissa % 1000n === 0n && exponent < 18) {
    mantissa /= 1000n;
    exponent += 3;
  }
  if (format === 'exponent') return `${sign}${mantissa}${exponent === 0 ? '' : `e${exponent}`}`;
  const suffix = Object.entries(DECIMAL).find(([, power]) => power === exponent)?.[0] ?? '';
  return `${sign}${mantissa}${suffix}`;
}

/** The value as a number, for comparisons and sums where a rounding error does not matter. */
export function quantityNumber(text: string): number {
  const parsed = parseQuantity(text);
  return parsed === undefined ? Number.NaN : Number(parsed.nano) / 1e9;
}

function binaryForm(units: bigint): string {
  let suffix = '';
  let value = units;
  for (const next of Object.keys(BINARY)) {
    if (value % 1024n !== 0n) break;
    value /= 1024n;
    suffix = next;
  }
  return `${value}${suffix}`;
}

function shift(mantissa: bigint, power: number): bigint {
  return power >= 0 ? mantissa * 10n ** BigInt(power) : ceilDiv(mantissa, 10n ** BigInt(-power));
}

function ceilDiv(value: bigint, by: bigint): bigint {
  return (value + by - 1n) / by;
}

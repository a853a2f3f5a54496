/** A number constant: a bigint where it is an integer, else a number. Undefined where it is neither. */
export function parseNumber(text: string): bigint | number | undefined {
  const plain = text.replaceAll('_', '');
  const [, sign = '', digits = ''] = /^([+-]?)(.*)$/.exec(plain) ?? [];
  const integer = integerOf(digits);
  if (integer !== undefined) return sign === '-' ? -integer : integer;
  if (!/^(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(digits)) {
    const hex = /^0[xX]([\da-fA-F]+)(?:\.([\da-fA-F]*))?[pP]([+-]?\d+)$/.exec(digits);
    if (hex === null) return undefined;
    const mantissa = Number.parseInt(hex[1]! + (hex[2] ?? ''), 16);
    return (sign === '-' ? -1 : 1) * mantissa * 2 ** (Number(hex[3]) - 4 * (hex[2] ?? '').length);
  }
  return Number(plain);
}

function integerOf(digits: string): bigint | undefined {
  if (/^0[0-7]+$/.test(digits)) return BigInt(`0o${digits.slice(1)}`);
  return /^(?:0[xX][\da-fA-F]+|0[bB][01]+|0[oO][0-7]+|0|[1-9]\d*)$/.test(digits)
    ? BigInt(digits.toLowerCase())
    : undefined;
}

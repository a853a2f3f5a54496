/** Reads the wire format of protobuf. Everything that does not fit ends in a `RangeError`. */
export interface WireField {
  number: number;
  /** Set for varints and fixed-size numbers. */
  bits?: bigint;
  double?: number;
  /** Set for strings, bytes and messages. */
  bytes?: Buffer;
}

export function* readFields(buffer: Buffer): Generator<WireField> {
  const reader = new Reader(buffer);
  while (!reader.done) {
    const tag = Number(reader.varint());
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        yield { number, bits: reader.varint() };
        break;
      case 1: {
        const bytes = reader.take(8);
        yield { number, bits: bytes.readBigInt64LE(), double: bytes.readDoubleLE() };
        break;
      }
      case 2:
        yield { number, bytes: reader.take(Number(reader.varint())) };
        break;
      case 5: {
        const bytes = reader.take(4);
        yield { number, bits: BigInt(bytes.readInt32LE()), double: bytes.readFloatLE() };
        break;
      }
      default:
        throw new RangeError(`wire type ${tag % 8} of field ${number} is not supported`);
    }
  }
}

class Reader {
  readonly #buffer: Buffer;
  #at = 0;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get done(): boolean {
    return this.#at >= this.#buffer.length;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#buffer[this.#at++];
      if (byte === undefined) break;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw new RangeError('a number does not end');
  }

  take(length: number): Buffer {
    if (length < 0 || this.#at + length > this.#buffer.length)
      throw new RangeError('a field is longer than its message');
    this.#at += length;
    return this.#buffer.subarray(this.#at - length, this.#at);
  }
}

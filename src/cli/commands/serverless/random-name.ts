import { randomInt } from 'node:crypto';

const FIRST =
  'able brave calm clever eager fair gentle glad happy keen kind lively merry proud quick quiet sunny swift warm wise'.split(
    ' ',
  );
const SECOND =
  'badger beaver crane falcon finch fox hare heron ibis lark lynx marten otter owl panda puma robin seal stork wren'.split(
    ' ',
  );

/** Two words and six digits. */
export function randomName(): string {
  const digits = String(randomInt(1_000_000)).padStart(6, '0');
  return `${FIRST[randomInt(FIRST.length)]}-${SECOND[randomInt(SECOND.length)]}-${digits}`;
}

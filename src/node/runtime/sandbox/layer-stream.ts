import type { Socket } from 'node:net';
import type { LayerPart } from '../../../images/index.ts';

/** Takes the keeper's stream of a layer apart: a line for each file, and its bytes. */
export async function readLayerStream(
  socket: Socket,
  handle: (file: LayerPart, content: AsyncIterable<Buffer>) => Promise<void>,
): Promise<void> {
  const chunks = socket[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let rest = Buffer.alloc(0);
  const more = async (): Promise<void> => {
    const { value, done } = await chunks.next();
    if (done) throw new Error('The keeper has ended in the middle of a layer.');
    rest = rest.length === 0 ? (value as Buffer<ArrayBuffer>) : Buffer.concat([rest, value]);
  };
  try {
    for (;;) {
      while (rest.indexOf(10) < 0) await more();
      const end = rest.indexOf(10);
      const line = JSON.parse(rest.subarray(0, end).toString()) as LayerPart & {
        end?: boolean;
        error?: string;
      };
      rest = rest.subarray(end + 1);
      if (line.end) return;
      if (line.error !== undefined) throw new Error(line.error);
      let left = line.type === 'file' && !line.whiteout ? line.size : 0;
      const content = (async function* () {
        while (left > 0) {
          if (rest.length === 0) await more();
          const part = rest.subarray(0, left);
          left -= part.length;
          rest = rest.subarray(part.length);
          yield part;
        }
      })();
      await handle(line, content);
      // Whoever did not want the bytes gets the next file all the same.
      for await (const _ of content);
    }
  } finally {
    socket.destroy();
  }
}

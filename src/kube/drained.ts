interface Writer {
  readonly destroyed: boolean;
  on: (event: 'drain' | 'close', listener: () => void) => unknown;
  off: (event: 'drain' | 'close', listener: () => void) => unknown;
}

/** Resolves when a reader has caught up with what was written, or is gone. */
export function drained(writer: Writer): Promise<void> {
  if (writer.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      writer.off('drain', done);
      writer.off('close', done);
      resolve();
    };
    writer.on('drain', done);
    writer.on('close', done);
  });
}

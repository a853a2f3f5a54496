/** Runs `undo` when the signal aborts: right now where it already has. A listener alone would wait for ever. */
export function onAbort(signal: AbortSignal, undo: () => void): void {
  if (signal.aborted) undo();
  else signal.addEventListener('abort', undo, { once: true });
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => onAbort(signal, resolve));
}

/** Calls `action` again and again until the signal aborts. */
export function every(ms: number, signal: AbortSignal, action: () => void): void {
  const timer = setInterval(action, ms);
  onAbort(signal, () => clearInterval(timer));
}

/** Resolves after a while, or as soon as the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    }
    onAbort(signal, done);
  });
}

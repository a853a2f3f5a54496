/**
 * Turns many wake-ups into few runs: one at a time, and one more when something happened meanwhile. The run
 * must handle its own errors.
 */
export function coalesced(run: () => Promise<void>): () => void {
  let running = false;
  let again = false;
  const loop = async (): Promise<void> => {
    running = true;
    while (again) {
      again = false;
      await run();
    }
    running = false;
  };
  return () => {
    again = true;
    if (!running) void loop();
  };
}

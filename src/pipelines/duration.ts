/** As Go writes durations: "1h0m0s". */
export function formatDuration(ms: number): string {
  if (ms < 1000) return ms === 0 ? '0s' : `${ms}ms`;
  const seconds = Math.floor(ms / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), seconds % 60];
  const rest =
    ms % 1000 === 0
      ? `${s}s`
      : `${s}.${String(ms % 1000)
          .padStart(3, '0')
          .replace(/0+$/, '')}s`;
  return `${h > 0 ? `${h}h` : ''}${h > 0 || m > 0 ? `${m}m` : ''}${rest}`;
}

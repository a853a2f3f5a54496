/** Examples below the help of a command. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}`).join('\n')}`;
}

/** For flags that may be given more than once. */
export function repeated(value: string, before: string[]): string[] {
  return [...before, value];
}

/** Tables as the serverless commands have always printed them: columns between bars, titles above a line of dashes. */
export function oldTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map((cell) => cell.split('\n')));
  const widths = titles.map((title, column) =>
    Math.max(title.length, ...cells.flatMap((row) => (row[column] ?? []).map((line) => line.length))),
  );
  const line = (texts: readonly string[]): string => `  ${texts.join(' | ')}`.trimEnd();
  const head = line(titles.map((title, column) => centered(title.toUpperCase(), widths[column]!)));
  const width = widths.reduce((sum, item) => sum + item + 3, -1);
  const body = cells.flatMap((row) => {
    const height = Math.max(1, ...row.map((lines) => lines.length));
    return Array.from({ length: height }, (_, at) =>
      line(widths.map((size, column) => (row[column]?.[at] ?? '').padEnd(size))),
    );
  });
  const rule = rows.length === 0 ? [] : ['-'.repeat(width)];
  return `${[head, ...rule, ...body].join('\n')}\n`;
}

function centered(text: string, width: number): string {
  const left = Math.floor((width - text.length) / 2);
  return `${' '.repeat(left)}${text}`.padEnd(width);
}

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** "Wed Dec  6 14:28:30 PST 2017", in the time of this machine. */
export function unixDate(time: number | undefined): string {
  if (time === undefined || Number.isNaN(time)) return '';
  const date = new Date(time);
  const zone =
    new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' })
      .formatToParts(date)
      .find(({ type }) => type === 'timeZoneName')?.value ?? 'UTC';
  const two = (value: number): string => String(value).padStart(2, '0');
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(':');
  const day = String(date.getDate()).padStart(2);
  return `${DAYS[date.getDay()]} ${MONTHS[date.getMonth()]} ${day} ${clock} ${zone} ${date.getFullYear()}`;
}

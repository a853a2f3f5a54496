/** Whether a tag is a version that others should not take yet: "v2.0.0-rc.1". */
export function isPrerelease(tag: string): boolean {
  return /^v?\d+(\.\d+)*-/.test(tag);
}

/** What is written into an annotated tag: its first line is the title. */
export function tagMessage({ title, notes }: { title: string; notes: string }): string {
  return notes === '' ? title : `${title}\n\n${notes}`;
}

export function tagText(message: string, tag: string): { title: string; notes: string } {
  const [title = '', ...notes] = message.trim().split('\n');
  return { title: title || tag, notes: notes.join('\n').trim() };
}

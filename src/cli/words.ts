/** Programs that read their flags themselves. */
const OTHERS = ['kubectl', 'update-gitops-repo'];

/** Flags of every command that have a value after them. */
export const VALUE_FLAGS: readonly string[] = [
  '-n',
  '--namespace',
  '--context',
  '--kubeconfig',
  '-o',
  '--output',
  '--organization',
  '--config',
  '--host',
  '--port',
  '--scheme',
  '--data-dir',
];

/** Where the command line names its command; past the end where it names none. */
function commandAt(argv: readonly string[]): number {
  let at = 2;
  while (at < argv.length && argv[at]!.startsWith('-')) at += VALUE_FLAGS.includes(argv[at]!) ? 2 : 1;
  return at;
}

export function commandOf(argv: readonly string[]): string | undefined {
  return argv[commandAt(argv)];
}

/** What is ours on the command line: everything up to the name of another program. The rest belongs to that. */
export function ownArguments(argv: readonly string[]): string[] {
  const at = commandAt(argv);
  return OTHERS.includes(argv[at] ?? '') ? argv.slice(0, at + 1) : [...argv];
}

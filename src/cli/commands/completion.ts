import { Argument, type Command } from 'commander';
import type { Environment } from '../environment.ts';
import { examples } from '../help.ts';

type Shell = 'bash' | 'zsh' | 'fish';

export function registerCompletion(program: Command, environment: Environment): void {
  program
    .command('completion')
    .description('Print a completion script for a shell.')
    .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      examples(
        'source <(dispatch completion bash)',
        'dispatch completion fish > ~/.config/fish/completions/dispatch.fish',
      ),
    )
    .action((shell: Shell) => {
      environment.stdout.write(SCRIPTS[shell](wordsOf(program)));
    });
}

/** What may follow a path of commands: `'' → up, down …`, `'ci repository' → create …`. */
function wordsOf(root: Command, path: readonly string[] = []): Map<string, string[]> {
  const words = new Map<string, string[]>();
  const flags = root.options.flatMap((option) => (option.long ? [option.long] : []));
  words.set(path.join(' '), [...root.commands.map((command) => command.name()), ...flags]);
  for (const command of root.commands)
    for (const [key, value] of wordsOf(command, [...path, command.name()])) words.set(key, value);
  return words;
}

const SCRIPTS: Record<Shell, (words: Map<string, string[]>) => string> = { bash, zsh, fish };

function bash(words: Map<string, string[]>): string {
  const cases = [...words].map(([path, list]) => `    "${path}") words="${list.join(' ')}" ;;`);
  return `_dispatch() {
  local path="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [[ $word == -* ]] || path="\${path:+$path }$word"
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _dispatch dispatch
`;
}

function zsh(words: Map<string, string[]>): string {
  return `#compdef dispatch\nautoload -U +X bashcompinit && bashcompinit\n${bash(words)}`;
}

function fish(words: Map<string, string[]>): string {
  const lines = [...words].flatMap(([path, list]) => {
    const condition =
      path === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${path.split(' ').at(-1)}`;
    return list.map((word) =>
      word.startsWith('--')
        ? `complete -c dispatch -n "${condition}" -l ${word.slice(2)}`
        : `complete -c dispatch -f -n "${condition}" -a ${word}`,
    );
  });
  return `${lines.join('\n')}\n`;
}

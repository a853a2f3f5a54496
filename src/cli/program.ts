import { Command, Option } from 'commander';
import { roomsFor } from './commands/index.ts';
import { CredentialOption, type Environment } from './environment.ts';

/** The `dispatch` command with what is below one of its commands, or everything. Nothing runs until it is parsed. */
export async function createProgram(environment: Environment, word: string | undefined): Promise<Command> {
  const program = new Command('dispatch')
    .description('Build, deploy and run: one product, on a Kubernetes API of its own.')
    .option('-n, --namespace <name>', 'namespace of the objects')
    .option('--context <name>', 'which context to use')
    .option('--kubeconfig <file>', 'how to reach the cluster')
    .addOption(new Option('-o, --output <format>', 'table, wide, json, yaml, name or jsonpath=…'))
    .option('--organization <name>', 'older spelling of --namespace')
    .option('--config <file>', 'file with the contexts')
    .option('--host <host>', 'host of the server, instead of a kubeconfig')
    .option('--port <port>', 'port of the server')
    .option('--scheme <scheme>', 'https or http')
    .option('--insecure', "take the server's certificate as it is")
    .addOption(new Option('--skipauth').hideHelp())
    .option('--dry-run', 'show what would happen')
    .option('-v, --verbose', 'show the cause of an error')
    .option('--data-dir <dir>', 'data of the embedded server (default: $DISPATCH_HOME or ~/.dispatch)')
    .helpCommand('help [command]', 'help for a command')
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void environment.stdout.write(text),
      writeErr: (text) => void environment.stderr.write(text),
    });
  for (const { load } of roomsFor(word)) (await load())(program, environment);
  for (const command of allCommands(program)) {
    command.exitOverride();
    addCredentials(command);
  }
  return program;
}

/** Commands that do something by themselves, and have others below them. */
const TAKES_BOTH = new Set(['create', 'update', 'context']);

/** How to get in may be said with every command, but not with those that mean something else by it. */
function addCredentials(command: Command): void {
  for (const [flag, words] of [
    ['--token <token>', 'token to get in with'],
    ['--service-account <name>', 'account to get in as, with its key'],
    ['--jwt-private-key <file>', 'key of the account'],
  ] as const) {
    const long = flag.split(' ', 1)[0];
    if (command.commands.length > 0 && !TAKES_BOTH.has(command.name())) continue;
    if (!command.options.some((option) => option.long === long)) {
      command.addOption(new CredentialOption(flag, words).hideHelp());
    }
  }
}

export function allCommands(root: Command): Command[] {
  return root.commands.flatMap((command) => [command, ...allCommands(command)]);
}

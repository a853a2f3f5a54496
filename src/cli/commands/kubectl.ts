import { spawn } from 'node:child_process';
import type { Command } from 'commander';
import { UserError } from '../../server/index.ts';
import { type Environment, findCluster, globalFlags } from '../environment.ts';
import { examples } from '../help.ts';

export function registerKubectl(program: Command, environment: Environment): void {
  program
    .command('kubectl')
    .description('Run kubectl against this server.')
    .argument('[arguments...]', 'what kubectl shall do')
    .allowUnknownOption()
    .helpOption(false)
    .addHelpText(
      'after',
      examples('dispatch kubectl get namespaces', 'dispatch kubectl apply -f deployment.yaml'),
    )
    .action(async (_: string[], __: object, command: Command) => {
      const target = await findCluster(environment, globalFlags(command));
      const flags = [
        ...(target.kubeconfig ? ['--kubeconfig', target.kubeconfig] : []),
        ...(target.context ? ['--context', target.context] : []),
      ];
      process.exitCode = await run([...flags, ...kubectlArguments(environment.argv)], environment);
    });
}

/** Programs that read their flags themselves. */
const OTHERS = ['kubectl', 'update-gitops-repo'];

/** What is ours on the command line: everything up to the name of another program. The rest belongs to that. */
export function ownArguments(argv: readonly string[]): string[] {
  const at = argv.findIndex((word, index) => index > 1 && OTHERS.includes(word));
  const isCommand =
    at > 1 &&
    !argv.slice(2, at).some((word, index, words) => !word.startsWith('-') && !takesValue(words[index - 1]));
  return isCommand ? argv.slice(0, at + 1) : [...argv];
}

const VALUE_FLAGS = new Set([
  '-n',
  '--namespace',
  '--context',
  '--kubeconfig',
  '-o',
  '--output',
  '--data-dir',
]);

function takesValue(word: string | undefined): boolean {
  return word !== undefined && VALUE_FLAGS.has(word);
}

function kubectlArguments(argv: readonly string[]): string[] {
  return argv.slice(ownArguments(argv).length);
}

function run(args: string[], environment: Environment): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn('kubectl', args, { stdio: 'inherit', env: environment.env as NodeJS.ProcessEnv });
    child.once('error', (cause: NodeJS.ErrnoException) => {
      const missing = cause.code === 'ENOENT';
      reject(
        new UserError(
          missing
            ? 'kubectl is not installed: install it (for example the package kubernetes-client), then try again.'
            : `kubectl could not be started (${cause.code}).`,
          { cause },
        ),
      );
    });
    child.once('exit', (code, signal) => resolve(code ?? (signal === null ? 1 : 130)));
  });
}

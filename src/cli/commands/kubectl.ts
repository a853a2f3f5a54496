import { spawn } from 'node:child_process';
import type { Command } from 'commander';
import { UserError } from '../../server/index.ts';
import { type Environment, findCluster, globalFlags } from '../environment.ts';
import { examples } from '../help.ts';
import { ownArguments } from '../words.ts';

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

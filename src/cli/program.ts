import { Command, Option } from 'commander';
import { registerCi } from './commands/ci/ci.ts';
import { registerBackup } from './commands/backup.ts';
import { registerChange } from './commands/change.ts';
import { registerCompletion } from './commands/completion.ts';
import { registerDoctor } from './commands/doctor.ts';
import { registerGit } from './commands/git.ts';
import { registerGitops } from './commands/gitops/gitops.ts';
import { registerImage } from './commands/image.ts';
import { registerIngress } from './commands/ingress.ts';
import { registerKubectl } from './commands/kubectl.ts';
import { registerLogin, registerServiceAccount } from './commands/login.ts';
import { registerNode } from './commands/node.ts';
import { registerServerless } from './commands/serverless/serverless.ts';
import { registerStatus } from './commands/status.ts';
import { registerTrace } from './commands/trace.ts';
import { registerUp } from './commands/up.ts';
import { registerUpdateGitopsRepo } from './commands/update-gitops-repo.ts';
import { registerVersion } from './commands/version.ts';
import { registerWhy } from './commands/why.ts';
import type { Environment } from './environment.ts';

/** The `dispatch` command with everything below it. Nothing runs until it is parsed. */
export function createProgram(environment: Environment): Command {
  const program = new Command('dispatch')
    .description('Build, deploy and run: one product, on a Kubernetes API of its own.')
    .option('-n, --namespace <name>', 'namespace of the objects')
    .option('--context <name>', 'which context to use')
    .option('--kubeconfig <file>', 'how to reach the cluster')
    .addOption(new Option('-o, --output <format>', 'table, wide, json, yaml, name or jsonpath=…'))
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
  for (const register of [
    registerUp,
    registerStatus,
    registerDoctor,
    registerVersion,
    registerServerless,
    registerCi,
    registerGit,
    registerChange,
    registerGitops,
    registerUpdateGitopsRepo,
    registerTrace,
    registerWhy,
    registerServiceAccount,
    registerLogin,
    registerImage,
    registerNode,
    registerIngress,
    registerKubectl,
    registerBackup,
    registerCompletion,
  ]) {
    register(program, environment);
  }
  for (const command of allCommands(program)) command.exitOverride();
  return program;
}

export function allCommands(root: Command): Command[] {
  return root.commands.flatMap((command) => [command, ...allCommands(command)]);
}

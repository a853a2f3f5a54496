import type { Command } from 'commander';
import { PROVIDER_NAMES } from '../../scm/index.ts';
import { Flags, UserError } from '../../server/index.ts';
import type { Environment } from '../environment.ts';
import { examples } from '../help.ts';
import { updateGitopsRepo } from '../gitops-update/update.ts';

const NAME = 'update-gitops-repo';
const SWITCHES = ['merge', 'dry-run', 'help', 'h'];
const KNOWN = [
  'git-revision',
  'substitute',
  'filepath',
  'scm-provider',
  'branch',
  'base',
  'title',
  'body',
  ...SWITCHES,
];
const USAGE = `Fill in the templates of a GitOps repository and propose the result.

Flags (with one dash or two):
  -git-revision <commit>        commit of the application, named in the proposal
  -substitute <name=value>      what $({ .name }) stands for; may be given again
  -filepath <glob>              templates (default **/*.tmpl; ** crosses directories)
  -scm-provider <name>          ${PROVIDER_NAMES.join(', ')}
  -branch <name>                branch of the proposal (default dispatch/update-<revision>)
  -base <name>                  branch that it is for (default: that of the repository)
  -title <text>  -body <text>   text of the proposal
  -merge                        merge it at once, where that is allowed
  -dry-run                      show what would change
`;

/** A program of pipelines: it works in the clone that it is started in. */
export function registerUpdateGitopsRepo(program: Command, environment: Environment): void {
  program
    .command(NAME)
    .description('Fill in the templates of a GitOps repository and propose the result.')
    .argument('[arguments...]', 'flags of this program')
    .allowUnknownOption()
    .helpOption(false)
    .addHelpText(
      'after',
      examples(
        'dispatch update-gitops-repo -git-revision=$COMMIT -substitute=imageName=registry.example.com/app@sha256:0a1b',
      ),
    )
    .action(async () => {
      const flags = new Flags(environment.argv.slice(environment.argv.indexOf(NAME) + 1), {
        switches: SWITCHES,
      });
      if (flags.has('help') || flags.has('h')) return void environment.stdout.write(USAGE);
      const unknown = flags.names().find((name) => !KNOWN.includes(name));
      if (unknown !== undefined || flags.rest.length > 0)
        throw new UserError(
          `${unknown === undefined ? flags.rest[0] : `-${unknown}`} is not understood: see "dispatch update-gitops-repo -help".`,
        );
      const given = flags.one('scm-provider');
      const provider = PROVIDER_NAMES.find((name) => name === given);
      if (given !== undefined && provider === undefined)
        throw new UserError(
          `${JSON.stringify(given)} is no provider: give one of ${PROVIDER_NAMES.join(', ')}.`,
        );
      await updateGitopsRepo({
        cwd: environment.cwd,
        env: environment.env,
        revision: flags.one('git-revision') ?? '',
        values: valuesOf(flags.all('substitute')),
        filepath: flags.one('filepath') ?? '**/*.tmpl',
        provider,
        branch: flags.one('branch'),
        base: flags.one('base'),
        title: flags.one('title'),
        body: flags.one('body'),
        isMerged: flags.has('merge'),
        isDryRun: flags.has('dry-run'),
        print: (text) => void environment.stdout.write(text),
      });
    });
}

function valuesOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new UserError(`${JSON.stringify(pair)} is no substitution: write it as name=value.`);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

import type { Command } from 'commander';
import { UserError } from '../../../server/index.ts';

/** Commands of the service catalog, which no Kubernetes has any more: they say what to do instead. */
export function registerServiceRefusals(parent: Command, names: readonly string[]): void {
  for (const name of names)
    parent
      .command(name, { hidden: true })
      .aliases([`${name}${name.endsWith('s') ? 'es' : 's'}`])
      .argument('[words...]', 'as of old')
      .allowUnknownOption()
      .action(() => {
        throw new UserError(
          'There is no service catalog any more: put the credentials of the service into a secret, and give that to the function with --service.',
        );
      });
}

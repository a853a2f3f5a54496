import type { Command } from 'commander';
import { IMAGE_REPOSITORIES, type ImageRepository } from '../../../ci/index.ts';
import { type Environment, globalFlags } from '../../environment.ts';
import { examples } from '../../help.ts';
import { printList } from '../../output.ts';
import { withClient } from './client.ts';

export function registerImageRepository(ci: Command, environment: Environment): void {
  const images = ci
    .command('image-repository')
    .alias('image-repositories')
    .description('Images whose pushes start pipelines.');
  images
    .command('create')
    .description('Let pushes of an image start the pipelines of a repository that ask for it.')
    .requiredOption('--image <name>', 'name of the image without a tag')
    .requiredOption('--repository <name>', 'the Repository whose Dispatchfile says what is done')
    .option('--name <name>', 'name of the object (default: of the image)')
    .option('--webhook-secret <name>', 'Secret with the token that deliveries of its registry carry')
    .addHelpText(
      'after',
      examples(
        'dispatch ci image-repository create --image registry.dispatch.local/default/hello-world --repository hello-world',
      ),
    )
    .action(
      (
        flags: { image: string; repository: string; name?: string; webhookSecret?: string },
        command: Command,
      ) =>
        withClient(environment, command, async (client, namespace) => {
          const name =
            flags.name ??
            flags.image
              .split('/')
              .at(-1)!
              .toLowerCase()
              .replaceAll(/[^a-z0-9.-]+/g, '-');
          const { image, repository, webhookSecret } = flags;
          const object: ImageRepository = {
            apiVersion: 'dispatch.dev/v1alpha1',
            kind: 'ImageRepository',
            metadata: { name, namespace },
            spec: { image, repository, ...(webhookSecret && { webhookSecret }) },
          };
          await client.create(IMAGE_REPOSITORIES, object);
          environment.stdout.write(`imagerepository.dispatch.dev/${name} created\n`);
        }),
    );
  images
    .command('list')
    .alias('ls')
    .description('List the images.')
    .addHelpText('after', examples('dispatch ci image-repository list'))
    .action((_: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        const { items } = await client.list<ImageRepository>(IMAGE_REPOSITORIES, { namespace });
        printList(environment, globalFlags(command), {
          items,
          nameOf: (at) => items[at]!.metadata.name ?? '',
          columns: {
            NAME: (at) => items[at]!.metadata.name ?? '',
            IMAGE: (at) => items[at]!.spec.image,
            REPOSITORY: (at) => items[at]!.spec.repository,
            'LAST TAG': (at) => items[at]!.status?.lastTag ?? '',
          },
        });
      }),
    );
  images
    .command('delete')
    .alias('rm')
    .description('Let pushes of an image start nothing any more.')
    .argument('<name>', 'name of the object')
    .addHelpText('after', examples('dispatch ci image-repository delete hello-world'))
    .action((name: string, _: object, command: Command) =>
      withClient(environment, command, async (client, namespace) => {
        await client.delete(IMAGE_REPOSITORIES, namespace, name);
        environment.stdout.write(`imagerepository.dispatch.dev/${name} deleted\n`);
      }),
    );
}

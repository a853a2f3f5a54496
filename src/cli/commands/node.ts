import type { Command } from 'commander';
import { type KubeObject, NODES } from '../../kube/index.ts';
import { UserError } from '../../server/index.ts';
import { connect, type Environment, globalFlags } from '../environment.ts';
import { examples, repeated } from '../help.ts';

interface AddFlags {
  label?: string[];
  taint?: string[];
  cpu?: string;
  memory?: string;
}

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

export function registerNode(program: Command, environment: Environment): void {
  const node = program
    .command('node')
    .description('Logical nodes: what makes one machine look like several.');
  node
    .command('add')
    .description('Add a logical node to this machine.')
    .argument('<name>', 'name of the node')
    .option('--label <key=value>', 'labels of the node', repeated, [])
    .option('--taint <key=value:effect>', 'taints of the node', repeated, [])
    .option('--cpu <amount>', 'how much processor it offers')
    .option('--memory <amount>', 'how much memory it offers')
    .addHelpText(
      'after',
      examples('dispatch node add gpu-1 --label pool=gpu --taint pool=gpu:NoSchedule --cpu 4 --memory 8Gi'),
    )
    .action(async (name: string, flags: AddFlags, command: Command) => {
      const client = await connect(environment, globalFlags(command));
      try {
        const capacity = {
          ...(flags.cpu && { cpu: flags.cpu }),
          ...(flags.memory && { memory: flags.memory }),
        };
        const object: KubeObject = {
          apiVersion: 'v1',
          kind: 'Node',
          metadata: { name, labels: Object.fromEntries((flags.label ?? []).map(pair)) },
          spec: { providerID: `dispatch://${name}`, taints: (flags.taint ?? []).map(taint) },
        };
        await client.create(NODES, object);
        if (Object.keys(capacity).length > 0)
          await client.patch(
            NODES,
            { name },
            'merge',
            { status: { capacity, allocatable: capacity } },
            { subresource: 'status' },
          );
        environment.stdout.write(`node/${name} added\n`);
      } finally {
        await client.close();
      }
    });
  node
    .command('rm')
    .description('Remove a logical node; its pods go elsewhere.')
    .argument('<name>', 'name of the node')
    .addHelpText('after', examples('dispatch node rm gpu-1'))
    .action(async (name: string, _: object, command: Command) => {
      const client = await connect(environment, globalFlags(command));
      try {
        await client.delete(NODES, '', name);
        environment.stdout.write(`node/${name} removed\n`);
      } finally {
        await client.close();
      }
    });
}

function pair(text: string): [string, string] {
  const at = text.indexOf('=');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)];
}

function taint(text: string): { key: string; value?: string; effect: string } {
  const match = /^([^=:]+)(?:=([^:]*))?:(\w+)$/.exec(text);
  if (match === null || !EFFECTS.includes(match[3]!))
    throw new UserError(
      `${JSON.stringify(text)} is no taint: write it as "key=value:Effect", with ${EFFECTS.join(', ')} as the effect.`,
    );
  const [, key = '', value, effect = ''] = match;
  return { key, ...(value && { value }), effect };
}

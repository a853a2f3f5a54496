import { CONFIG_MAPS, type KubeObject, SECRETS, type Secret, secretText } from '../../../kube/index.ts';
import { commonOf, compact, type Flat, metadataOf, text } from './flat.ts';
import { cell, created } from './kinds-code.ts';
import type { CliKind, Making } from './cli-kind.ts';
import { readText } from './source-files.ts';
import { UserError } from '../../../server/index.ts';

export const APPLICATION = 'dispatch.dev/application';
const MARK = 'dispatch.dev/kind';
const HIDDEN = '<hidden>';

export const appKinds: readonly CliKind[] = [
  {
    kind: 'Secret',
    names: ['secret', 'secrets'],
    resource: SECRETS,
    columns: { Name: cell('name'), Content: () => HIDDEN },
    show: (object) => ({
      ...commonOf(object, 'Secret'),
      secrets: Object.fromEntries(
        Object.keys((object as Secret).data ?? {}).map((key) => [key, secretText(object as Secret, key)]),
      ),
    }),
    make: secretFrom,
  },
  {
    kind: 'Application',
    names: ['application', 'applications', 'app', 'apps'],
    resource: CONFIG_MAPS,
    selector: `${MARK}=application`,
    isLowerCase: true,
    columns: { Name: cell('name'), Status: cell('status'), 'Created Date': created },
    show: (object) => ({ ...commonOf(object, 'Application'), status: 'READY' }),
    // An application is a label on what belongs to it; this keeps its name where nothing does yet.
    make: (flat, { namespace }) => {
      const metadata = metadataOf(flat, namespace);
      return {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { ...metadata, labels: { [MARK]: 'application', [APPLICATION]: metadata.name ?? '' } },
      };
    },
  },
];

async function secretFrom(flat: Flat, making: Making): Promise<KubeObject> {
  const path = text(flat, 'secretPath');
  let values = flat['secrets'] as Record<string, unknown> | undefined;
  if (path !== undefined) {
    const content = await readText(making, path);
    try {
      values = JSON.parse(content) as Record<string, unknown>;
    } catch (error) {
      throw new UserError(`${path} is no JSON: ${(error as Error).message}.`, { cause: error });
    }
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw new UserError(
      `The secret ${String(flat['name'])} has no values: give it a JSON object of names and texts.`,
    );
  const data = Object.entries(values).map(([key, value]) => [
    key,
    Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64'),
  ]);
  return compact({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: metadataOf(flat, making.namespace),
    type: 'Opaque',
    data: Object.fromEntries(data) as Record<string, string>,
  });
}

import { stringify } from 'yaml';
import { writeDurably } from '../apiserver/index.ts';

export interface KubeconfigInput {
  server: string;
  caCertificate: string;
  token: string;
}

/** The administrator's kubeconfig, readable by its owner only. */
export async function writeKubeconfig(path: string, input: KubeconfigInput): Promise<void> {
  const name = 'dispatch';
  const document = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name,
        cluster: {
          server: input.server,
          'certificate-authority-data': Buffer.from(input.caCertificate).toString('base64'),
        },
      },
    ],
    users: [{ name: 'dispatch-admin', user: { token: input.token } }],
    contexts: [{ name, context: { cluster: name, user: 'dispatch-admin', namespace: 'default' } }],
    'current-context': name,
  };
  await writeDurably(path, stringify(document));
}

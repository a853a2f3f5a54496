import { join } from 'node:path';

/** Where things lie in a data directory. Deleting the directory is a complete uninstall. */
export interface DataDir {
  root: string;
  store: string;
  pki: string;
  logs: string;
  kubeconfig: string;
  serverFile: string;
  lockFile: string;
}

export function dataDir(root: string): DataDir {
  return {
    root,
    store: join(root, 'store'),
    pki: join(root, 'pki'),
    logs: join(root, 'logs'),
    kubeconfig: join(root, 'kubeconfig'),
    serverFile: join(root, 'server.json'),
    lockFile: join(root, 'server.lock'),
  };
}

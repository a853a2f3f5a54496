import { join } from 'node:path';

/** Where things lie in a data directory. Deleting the directory is a complete uninstall. */
export interface DataDir {
  root: string;
  store: string;
  pki: string;
  logs: string;
  /** Images and what they are made of. */
  content: string;
  /** Repositories that this server hosts. */
  git: string;
  /** What pods write outside of their volumes. */
  pods: string;
  /** What persistent volumes hold. */
  volumes: string;
  /** Sockets and caches of what runs now. */
  run: string;
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
    content: join(root, 'content'),
    git: join(root, 'git'),
    pods: join(root, 'pods'),
    volumes: join(root, 'volumes'),
    run: join(root, 'run'),
    kubeconfig: join(root, 'kubeconfig'),
    serverFile: join(root, 'server.json'),
    lockFile: join(root, 'server.lock'),
  };
}

import type { Command } from 'commander';
import type { Environment } from '../environment.ts';

export type Register = (program: Command, environment: Environment) => void;

interface Room {
  /** The commands that it has, and those of others that it adds to. */
  words: readonly string[];
  load: () => Promise<Register>;
}

/** In the order of the help. A command loads its own room alone: what the others need is not read for it. */
export const ROOMS: readonly Room[] = [
  { words: ['up'], load: async () => (await import('./up.ts')).registerUp },
  { words: ['status', 'down'], load: async () => (await import('./status.ts')).registerStatus },
  { words: ['doctor'], load: async () => (await import('./doctor.ts')).registerDoctor },
  { words: ['version'], load: async () => (await import('./version.ts')).registerVersion },
  {
    words: [
      'create',
      'get',
      'update',
      'apply',
      'edit',
      'delete',
      'exec',
      'run',
      'function',
      'emit',
      'iam',
      'manage',
      'log',
      'logs',
      'install',
      'uninstall',
      'subscription',
    ],
    load: async () => (await import('./serverless/serverless.ts')).registerServerless,
  },
  { words: ['ci', 'create'], load: async () => (await import('./ci/ci.ts')).registerCi },
  { words: ['git'], load: async () => (await import('./git.ts')).registerGit },
  { words: ['change', 'changes'], load: async () => (await import('./change.ts')).registerChange },
  { words: ['release', 'releases'], load: async () => (await import('./release.ts')).registerRelease },
  { words: ['gitops', 'cd'], load: async () => (await import('./gitops/gitops.ts')).registerGitops },
  {
    words: ['update-gitops-repo'],
    load: async () => (await import('./update-gitops-repo.ts')).registerUpdateGitopsRepo,
  },
  { words: ['trace'], load: async () => (await import('./trace.ts')).registerTrace },
  { words: ['why'], load: async () => (await import('./why.ts')).registerWhy },
  {
    words: ['serviceaccount', 'service-account'],
    load: async () => (await import('./login.ts')).registerServiceAccount,
  },
  { words: ['login', 'logout'], load: async () => (await import('./login.ts')).registerLogin },
  { words: ['image'], load: async () => (await import('./image.ts')).registerImage },
  { words: ['node'], load: async () => (await import('./node.ts')).registerNode },
  { words: ['ingress'], load: async () => (await import('./ingress.ts')).registerIngress },
  { words: ['kubectl'], load: async () => (await import('./kubectl.ts')).registerKubectl },
  {
    words: ['backup', 'restore', 'rotate-key'],
    load: async () => (await import('./backup.ts')).registerBackup,
  },
  { words: ['completion'], load: async () => (await import('./completion.ts')).registerCompletion },
];

/** These show what the others have. */
const NEED_ALL = ['completion', 'help'];

/** The rooms that a command needs; all of them where it is not known which. */
export function roomsFor(word: string | undefined): readonly Room[] {
  if (word === undefined || NEED_ALL.includes(word)) return ROOMS;
  const found = ROOMS.filter(({ words }) => words.includes(word));
  return found.length > 0 ? found : ROOMS;
}

import { normal } from '../../render/index.ts';
import { GitError } from '../../scm/index.ts';
import { showKey } from '../engine/object-key.ts';
import { type Application, NOTES, sourcesOf } from '../resources.ts';
import type { ManifestSource } from '../sources/manifests.ts';
import type { GitopsContext } from '../context.ts';
import { ApplicationProblem, type ApplicationReconciler } from './application.reconcile.ts';
import { editManifests, type ManifestEdit } from './edit-manifest.ts';
import { differencesOf, type ObjectDifference } from './inspect.ts';

export interface Adoption {
  number: number;
  url: string;
  /** Objects whose changes are in it. */
  objects: string[];
  /** Objects that have to be looked after by hand, with the reason. */
  left: string[];
}

export interface AdoptParts {
  context: Pick<GitopsContext, 'mirrors' | 'now' | 'wrote'>;
  reconciler: ApplicationReconciler;
  source: ManifestSource;
}

const NO_ANSWER = 'ApplicationNotAdopted';

/** Proposes what was changed by hand to the repository: merged, Git and the cluster say the same. */
export async function adoptChanges(
  parts: AdoptParts,
  app: Application,
  title: string | undefined,
): Promise<Adoption> {
  const {
    repoURL,
    path = '.',
    targetRevision = 'HEAD',
    helm,
    kustomize,
  } = sourcesOf(app)[0] ?? { repoURL: '' };
  if (sourcesOf(app).length !== 1 || helm !== undefined || kustomize !== undefined)
    throw new ApplicationProblem(
      NO_ANSWER,
      'What comes from a chart, a kustomization or several sources has to be changed in them by hand.',
    );
  const { namespace = '', name = '', annotations } = app.metadata;
  const source = await parts.source.credentials.source(repoURL, {
    namespace,
    account: annotations?.[NOTES.account],
  });
  if (source.api === undefined)
    throw new ApplicationProblem(
      NO_ANSWER,
      'No credentials are known by which a pull request could be opened: give the application an account with "dispatch gitops app set --service-account".',
    );
  const differences = await differencesOf(parts.reconciler, app);
  if (differences.length === 0)
    throw new ApplicationProblem(NO_ANSWER, `Nothing of ${name} differs from Git.`);
  const [parent = ''] = await parts.source.revisions(app);
  const { files, objects, left } = await editFiles(parts, { source: source.remote, parent, differences });
  if (files.size === 0)
    throw new ApplicationProblem(
      NO_ANSWER,
      `None of the changes can be written into ${path}: ${left.join('; ')}.`,
    );
  const target = targetRevision === 'HEAD' ? await source.api.defaultBranch(source.fullName) : targetRevision;
  const subject = title ?? `Adopt changes of ${namespace}/${name}`;
  const body = `Changed by hand where ${name} is kept:\n\n${objects.map((item) => `- ${item}`).join('\n')}`;
  const { mirrors, now } = parts.context;
  const commit = await mirrors.commit(source.remote, { parent, files, message: `${subject}\n\n${body}\n` });
  const branch = `dispatch/adopt-${name}-${now().toString(36)}`;
  await mirrors.push(source.remote, commit, branch);
  parts.context.wrote(repoURL);
  const opened = await source.api.openPullRequest(source.fullName, {
    source: branch,
    target,
    title: subject,
    body,
  });
  return { ...opened, objects, left };
}

async function editFiles(
  { context }: AdoptParts,
  {
    source,
    parent,
    differences,
  }: {
    source: Parameters<GitopsContext['mirrors']['fileAt']>[0];
    parent: string;
    differences: readonly ObjectDifference[];
  },
): Promise<{ files: Map<string, string>; objects: string[]; left: string[] }> {
  const byFile = new Map<string, { edit: ManifestEdit; label: string }[]>();
  const left: string[] = [];
  for (const { key, file, change, fields } of differences) {
    const label = showKey(key);
    if (change === 'delete' || file === undefined) left.push(`${label} is in no file of the repository`);
    else if (key.kind === 'Secret' && key.group === '')
      left.push(`${label} is a Secret, whose values are not shown to anybody`);
    else {
      const edit: ManifestEdit = { place: key, fields: change === 'create' ? 'remove' : fields };
      byFile.set(file, [...(byFile.get(file) ?? []), { edit, label }]);
    }
  }
  const files = new Map<string, string>();
  const objects: string[] = [];
  for (const [file, edits] of byFile) {
    const text = await context.mirrors.fileAt(source, parent, file).catch((error: unknown) => {
      if (error instanceof GitError) return undefined;
      throw error;
    });
    const edited =
      text === undefined
        ? undefined
        : editManifests(
            text,
            edits.map(({ edit }) => edit),
          );
    if (edited === undefined) left.push(...edits.map(({ label }) => `${label} is not found in ${file}`));
    else {
      files.set(file, edited);
      objects.push(...edits.map(({ label }) => label));
    }
  }
  return { files, objects, left };
}

/** Puts what an application is made of back to what it was at an older commit, with a commit on top. */
export async function revertTo(
  parts: AdoptParts,
  app: Application,
  revision: string,
): Promise<{ commit: string; branch: string }> {
  const { repoURL, path = '.', targetRevision = 'HEAD' } = sourcesOf(app)[0] ?? { repoURL: '' };
  const { namespace = '', annotations, name = '' } = app.metadata;
  const source = await parts.source.credentials.source(repoURL, {
    namespace,
    account: annotations?.[NOTES.account],
  });
  if (source.api === undefined || sourcesOf(app).length !== 1)
    throw new ApplicationProblem(
      NO_ANSWER,
      'The repository of this application cannot be written from here.',
    );
  const branch = targetRevision === 'HEAD' ? await source.api.defaultBranch(source.fullName) : targetRevision;
  const [parent = ''] = await parts.source.revisions(app);
  const { mirrors } = parts.context;
  const message = `Roll ${name} back to ${revision.slice(0, 12)}\n`;
  const commit = await mirrors.commit(source.remote, {
    parent,
    like: { commit: revision, path: normal(path) },
    message,
  });
  await mirrors.push(source.remote, commit, branch);
  parts.context.wrote(repoURL);
  return { commit, branch };
}

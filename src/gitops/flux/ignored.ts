import { createHash } from 'node:crypto';
import ignore from 'ignore';
import type { SourceTree } from '../../render/index.ts';
import type { SourceObject } from './resources.ts';

/** Files of other tools, which are no manifests: left out unless a source says itself what is. */
const OF_OTHERS = [
  '.github/',
  '.circleci/',
  '.travis.yml',
  '.gitlab-ci.yml',
  'appveyor.yml',
  '.drone.yml',
  'cloudbuild.yaml',
  'codeship-services.yml',
  'codeship-steps.yml',
  '.goreleaser.yml',
  '.sops.yaml',
  '.flux.yaml',
];
const OWN_FILE = '.sourceignore';

/** The files of a source without those that it leaves out, by its words and by those of the repository. */
export async function withoutIgnored(tree: SourceTree, { spec }: SourceObject): Promise<SourceTree> {
  const own = (await tree.text(OWN_FILE)) ?? '';
  const ignored = ignore().add(own);
  // The last word that fits counts: that of the source may take one of the repository back.
  ignored.add(spec.ignore ?? OF_OTHERS);
  return tree.without((path) => path !== '' && ignored.ignores(path));
}

/** Other words leave other files. */
export function ignoreId({ spec }: SourceObject): string {
  return spec.ignore === undefined
    ? ''
    : `-${createHash('sha256').update(spec.ignore).digest('hex').slice(0, 12)}`;
}

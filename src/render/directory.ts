import { checkManifests, type Manifest } from './manifest.ts';
import { globPattern } from './helm/ignore.ts';
import type { SourceTree } from './source-tree.ts';
import { readAllYaml } from './yaml/read.ts';

export interface DirectoryOptions {
  recurse?: boolean;
  /** Globs of files below the directory; "{a,b}" are choices. */
  include?: string;
  exclude?: string;
}

const MANIFEST = /\.(?:ya?ml|json)$/;

/** The objects in the files of a directory, as they stand there. */
export async function renderDirectory(
  tree: SourceTree,
  path: string,
  { recurse = false, include, exclude }: DirectoryOptions,
): Promise<Manifest[]> {
  const [isIncluded, isExcluded] = [matcher(include, true), matcher(exclude, false)];
  const manifests: { object: unknown; file: string }[] = [];
  for (const file of await tree.files(path, { recurse })) {
    const name = path === '' ? file : file.slice(path.length + 1);
    if (!MANIFEST.test(file) || !isIncluded(name) || isExcluded(name)) continue;
    const text = (await tree.text(file)) ?? '';
    for (const object of readAllYaml(text, file)) manifests.push({ object, file });
  }
  return checkManifests(manifests);
}

function matcher(glob: string | undefined, otherwise: boolean): (name: string) => boolean {
  if (glob === undefined || glob === '') return () => otherwise;
  const patterns = choices(glob).map((item) => globPattern(item).source.replaceAll('[^/]*[^/]*', '.*'));
  const tests = patterns.map((source) => new RegExp(source, 's'));
  return (name) => tests.some((test) => test.test(name));
}

/** "{a,b}/c" is "a/c" and "b/c". */
function choices(glob: string): string[] {
  const found = /\{([^{}]*)\}/.exec(glob);
  if (found === null) return [glob];
  return found[1]!
    .split(',')
    .flatMap((part) =>
      choices(glob.slice(0, found.index) + part + glob.slice(found.index + found[0].length)),
    );
}

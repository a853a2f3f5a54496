/** A library file. Its id tells repository, revision and path, so that the same file is run once. */
export interface ModuleText {
  id: string;
  /** How errors name it. */
  file: string;
  text: string;
}

/** Finds what `load` names. Names that start with a slash belong to the repository of the file that loads them. */
export interface ModuleSource {
  fetch: (name: string, from: ModuleText) => Promise<ModuleText>;
}

export interface ModuleName {
  /** "github.com/owner/name" */
  repository: string;
  path: string;
  /** A tag, branch or commit; the latest release when absent. */
  ref: string | undefined;
}

/** Reads "github.com/owner/repository/path@ref". */
export function parseModuleName(name: string): ModuleName {
  const found = /^([\w.-]+(?::\d+)?\/[\w.-]+\/[\w.-]+)\/([\w./-]+?)(?:@([\w./+-]+))?$/.exec(name);
  if (found === null || found[2]!.split('/').includes('..') || found[3]?.startsWith('-'))
    throw new Error(
      'it must be written as "host/owner/repository/path@ref", or as "/path" for a file of the same repository',
    );
  return { repository: found[1]!, path: found[2]!, ref: found[3] };
}

/** The newest release among some tags. */
export function latestRelease(tags: readonly string[]): string | undefined {
  const releases = tags.flatMap((tag) => {
    const found = /^v?(\d+)\.(\d+)\.(\d+)$/.exec(tag);
    return found === null ? [] : [{ tag, numbers: found.slice(1).map(Number) }];
  });
  releases.sort(
    (a, b) => b.numbers[0]! - a.numbers[0]! || b.numbers[1]! - a.numbers[1]! || b.numbers[2]! - a.numbers[2]!,
  );
  return releases[0]?.tag;
}

/** For files that load nothing. */
export const NO_MODULES: ModuleSource = {
  fetch: () => Promise.reject(new Error('no libraries can be loaded here')),
};

import type { Pipeline } from '../../dispatchfile/index.ts';
import { contextVariables, type BuildContext, replaceVariables } from './variables.ts';

export interface ContentOptions {
  pipeline: Pipeline;
  context: BuildContext;
  /** Every task may be taken from an earlier run, not only those that say so. */
  reuse: boolean;
  /** A hash of files of the repository that is built. */
  hashOf: (paths: readonly string[]) => Promise<string>;
}

/** For each task that may be reused: what stands for the content of its git inputs. */
export async function contentsOf({
  pipeline,
  context,
  reuse,
  hashOf,
}: ContentOptions): Promise<Map<string, string>> {
  const variables = contextVariables(context);
  const contents = new Map<string, string>();
  for (const [name, task] of Object.entries(pipeline.task)) {
    if (!reuse && task.cache === undefined) continue;
    const parts: string[] = [];
    for (const input of task.inputs) {
      const resource = Object.hasOwn(pipeline.resource, input) ? pipeline.resource[input] : undefined;
      if (resource?.type !== 'git') continue;
      const [url, revision] = [resource.params['url'], resource.params['revision']].map((text) =>
        replaceVariables(text ?? '', (variable) => variables.get(variable)),
      );
      const isOwn = url === context.git.url && revision === context.git.commit;
      parts.push(`${input} ${isOwn ? await hashOf(task.cache?.paths ?? []) : `${url} ${revision}`}`);
    }
    contents.set(name, parts.join('\n'));
  }
  return contents;
}

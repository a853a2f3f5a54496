import { matchesGlobs } from './globs.ts';
import { withNeeds } from './graph.ts';
import type { Action, Pipeline, PullRequestCondition } from './pipeline.ts';

/** What happened, as far as conditions of actions ask about it. */
export type Event =
  | { type: 'push'; branch: string; paths?: readonly string[] }
  | { type: 'tag'; name: string }
  | { type: 'release'; tag: string }
  | {
      type: 'pull_request';
      source: string;
      target: string;
      labels: readonly string[];
      paths?: readonly string[];
    }
  | {
      type: 'comment';
      command: string;
      source: string;
      target: string;
      labels: readonly string[];
      paths?: readonly string[];
    }
  | { type: 'image'; tag: string }
  | { type: 'cron'; name: string };

/** The actions that an event starts. */
export function selectActions(pipeline: Pipeline, event: Event): Action[] {
  return pipeline.actions.filter((action) => matches(action, event));
}

/** The tasks of some actions, with all that they depend on. */
export function tasksOf(pipeline: Pipeline, actions: readonly Action[]): string[] {
  return withNeeds(
    pipeline,
    actions.flatMap((action) => action.tasks),
  );
}

function matches({ on, name }: Action, event: Event): boolean {
  if ('cron' in on) return event.type === 'cron' && event.name === name;
  if ('image' in on) return event.type === 'image' && matchesGlobs(on.image.push.tags, event.tag);
  const { push, tag, release, pull_request: request } = on.git;
  switch (event.type) {
    case 'push':
      return (
        push !== undefined && matchesGlobs(push.branches, event.branch) && anyPath(push.paths, event.paths)
      );
    case 'tag':
      return tag !== undefined && matchesGlobs(tag.names, event.name);
    case 'release':
      return release !== undefined && matchesGlobs(release.tags, event.tag);
    case 'pull_request':
      return request !== undefined && (request.chatops ?? []).length === 0 && requestMatches(request, event);
    case 'comment':
      return (
        request !== undefined &&
        (request.chatops ?? []).includes(event.command) &&
        requestMatches(request, event)
      );
    default:
      return false;
  }
}

function requestMatches(
  condition: PullRequestCondition,
  event: Extract<Event, { type: 'pull_request' | 'comment' }>,
): boolean {
  return (
    matchesGlobs(condition.sources, event.source) &&
    matchesGlobs(condition.targets, event.target) &&
    anyPath(condition.paths, event.paths) &&
    (condition.labels ?? []).every((label) =>
      label.startsWith('!') ? !event.labels.includes(label.slice(1)) : event.labels.includes(label),
    )
  );
}

/** Unknown paths match: better one run too many than one too few. */
function anyPath(patterns: readonly string[] | undefined, paths: readonly string[] | undefined): boolean {
  if (patterns === undefined || patterns.length === 0 || paths === undefined) return true;
  return paths.some((path) => matchesGlobs(patterns, path));
}

/** The command and arguments of a comment that starts with a slash. */
export function parseChatop(comment: string): { command: string; args: string } | undefined {
  const found = /^\/([A-Za-z][\w-]*)(?:[ \t]+([^\r\n]*))?/.exec(comment.trimStart());
  return found === null ? undefined : { command: found[1]!, args: (found[2] ?? '').trim() };
}

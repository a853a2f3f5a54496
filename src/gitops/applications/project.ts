import { Cron } from 'croner';
import { durationMs, type Informer } from '../../kube/index.ts';
import { matches } from '../engine/ignore.ts';
import { type ObjectKey, showKey } from '../engine/object-key.ts';
import { CONTROL_NAMESPACES } from '../clusters/clusters.ts';
import { type Application, type AppProject, IN_CLUSTER, sourcesOf } from '../resources.ts';

/** What applications of a project may do. */
export interface ProjectRules {
  name: string;
  project: AppProject['spec'];
}

/** The project that is there from the start: applications of the namespace "default" may do everything. */
export const DEFAULT_PROJECT: AppProject = {
  apiVersion: 'argoproj.io/v1alpha1',
  kind: 'AppProject',
  metadata: { name: 'default', namespace: 'dispatch-system' },
  spec: {
    description: 'Applications of the namespace default may do everything.',
    sourceRepos: ['*'],
    sourceNamespaces: ['default', 'argocd', 'dispatch'],
    destinations: [{ server: '*', namespace: '*' }],
    clusterResourceWhitelist: [{ group: '*', kind: '*' }],
  },
};

export class ProjectProblem extends Error {}

const ANY = '*';

/**
 * The project of an application. Projects are kept where those who look after the platform keep things; without one
 * that lets it do more, an application keeps objects in its own namespace, and on clusters of its own.
 */
export function projectOf(app: Application, projects: Informer<AppProject>): ProjectRules {
  const { namespace = '' } = app.metadata;
  const name = app.spec.project || 'default';
  const places = [...(CONTROL_NAMESPACES.includes(namespace) ? [namespace] : []), ...CONTROL_NAMESPACES];
  for (const place of places) {
    const found = projects.get(place, name);
    if (found === undefined) continue;
    const isWelcome =
      place === namespace || (found.spec.sourceNamespaces ?? []).some((item) => matches(item, namespace));
    if (isWelcome) return { name, project: found.spec };
    if (name !== 'default')
      throw new ProjectProblem(
        `The project ${name} does not take applications of the namespace ${namespace}.`,
      );
  }
  if (name !== 'default') throw new ProjectProblem(`There is no project ${name}.`);
  return {
    name,
    project: {
      sourceRepos: [ANY],
      destinations: [{ server: IN_CLUSTER, namespace }],
      clusterResourceWhitelist: [],
    },
  };
}

/** Why an application may not be what it is, each in a sentence. `isShared` is false for a cluster of its namespace. */
export function projectProblems(
  app: Application,
  { name, project }: ProjectRules,
  cluster: { server: string; name: string; isShared: boolean },
): string[] {
  const problems = sourcesOf(app)
    .filter(({ repoURL }) => !allowed(project.sourceRepos ?? [], repoURL))
    .map(({ repoURL }) => `The project ${name} does not allow the repository ${withoutLogin(repoURL)}.`);
  const namespace = app.spec.destination.namespace ?? app.metadata.namespace ?? '';
  if (cluster.isShared && !mayUse(project, cluster, namespace))
    problems.push(`The project ${name} does not allow the namespace ${namespace} of ${cluster.server}.`);
  return problems;
}

function withoutLogin(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//');
}

/** Patterns with "!" in front take away what others allow. */
function allowed(patterns: readonly string[], text: string): boolean {
  const no = patterns.some((item) => item.startsWith('!') && matches(item.slice(1), text));
  return !no && patterns.some((item) => !item.startsWith('!') && matches(item, text));
}

function mayUse(
  project: AppProject['spec'],
  cluster: { server: string; name: string },
  namespace: string,
): boolean {
  const fits = (rule: { server?: string; name?: string; namespace?: string }, isNot: boolean): boolean => {
    const text = (value: string | undefined): string | undefined => {
      if (value === undefined) return undefined;
      return isNot ? value.replace(/^!/, '') : value;
    };
    const [server, name] = [text(rule.server), text(rule.name)];
    const where =
      server === undefined
        ? name !== undefined && matches(name, cluster.name)
        : matches(server, cluster.server);
    return where && matches(text(rule.namespace) ?? ANY, namespace);
  };
  const isDenial = (rule: { server?: string; name?: string; namespace?: string }): boolean =>
    [rule.server, rule.name, rule.namespace].some((value) => value?.startsWith('!'));
  const rules = project.destinations ?? [];
  if (rules.some((rule) => isDenial(rule) && fits(rule, true))) return false;
  return rules.some((rule) => !isDenial(rule) && fits(rule, false));
}

/** Why an object may not be kept by a project; undefined where it may. */
export function refusalOf(
  { name, project }: ProjectRules,
  key: ObjectKey,
  cluster: { server: string; name: string; isShared: boolean },
): string | undefined {
  const on = (list: readonly { group: string; kind: string }[] | undefined): boolean =>
    (list ?? []).some((rule) => matches(rule.group, key.group) && matches(rule.kind, key.kind));
  const isGlobal = key.namespace === '';
  const whitelist = isGlobal ? project.clusterResourceWhitelist : project.namespaceResourceWhitelist;
  const blacklist = isGlobal ? project.clusterResourceBlacklist : project.namespaceResourceBlacklist;
  const isListed = whitelist === undefined ? !isGlobal : on(whitelist);
  // Whoever brings a cluster of their own may do there what its credentials allow.
  if (on(blacklist) || (!isListed && cluster.isShared))
    return `The project ${name} does not allow ${showKey(key)}.`;
  if (isGlobal || !cluster.isShared || mayUse(project, cluster, key.namespace)) return undefined;
  return `The project ${name} does not allow ${showKey(key)}: not in that namespace.`;
}

/** Whether the windows of a project let an application be synchronised now. */
export function isWindowOpen(
  app: Application,
  { project }: ProjectRules,
  { now, isManual, cluster }: { now: number; isManual: boolean; cluster: string },
): boolean {
  const mine = (project.syncWindows ?? []).filter(({ applications = [], namespaces = [], clusters = [] }) => {
    const { name = '', namespace = '' } = app.metadata;
    const where = app.spec.destination.namespace ?? namespace;
    return (
      applications.some((item) => matches(item, name)) ||
      namespaces.some((item) => matches(item, where)) ||
      clusters.some((item) => matches(item, cluster))
    );
  });
  if (mine.length === 0) return true;
  const active = mine.filter((window) => isActive(window, now));
  if (active.some(({ kind, manualSync }) => kind === 'deny' && !(isManual && manualSync))) return false;
  const allows = mine.filter(({ kind }) => kind === 'allow');
  return (
    allows.length === 0 ||
    active.some(({ kind }) => kind === 'allow') ||
    (isManual && allows.some(({ manualSync }) => manualSync))
  );
}

function isActive(
  { schedule, duration, timeZone = 'UTC' }: { schedule: string; duration: string; timeZone?: string },
  now: number,
): boolean {
  const lengthMs = durationMs(duration);
  if (lengthMs === undefined) return false;
  try {
    const begun = new Cron(schedule, { paused: true, timezone: timeZone }).nextRun(new Date(now - lengthMs));
    return begun !== null && begun.getTime() <= now;
  } catch {
    return false;
  }
}

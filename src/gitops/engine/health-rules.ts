import {
  CelError,
  celValue,
  compileCel,
  type EventRecorder,
  type Informer,
  isRecord,
  type KubeObject,
  type Program,
} from '../../kube/index.ts';
import { readYaml } from '../../render/index.ts';
import type { Health } from '../resources.ts';

/** How objects of a kind are, by expressions over their fields. */
export interface HealthRule {
  apiVersion: string;
  kind: string;
  current: string;
  inProgress?: string;
  failed?: string;
}

type Words = 'current' | 'inProgress' | 'failed';

/** What an expression may speak of: the fields of the object. */
const FIELDS = ['apiVersion', 'kind', 'metadata', 'spec', 'status', 'data'];
const PLACE = 'dispatch-system/health-rules';

/** An expression that is none, or that cannot be asked of an object. */
class HealthRuleError extends Error {}

/** How an object is by the rule for its kind. Undefined where none is. */
export function healthByRules(object: KubeObject, rules: readonly HealthRule[]): Health | undefined {
  try {
    return byRule(object, rules);
  } catch (error) {
    if (!(error instanceof HealthRuleError)) throw error;
    return { status: 'Unknown', message: error.message };
  }
}

function byRule(object: KubeObject, rules: readonly HealthRule[]): Health | undefined {
  const rule = rules.find(({ apiVersion, kind }) => apiVersion === object.apiVersion && kind === object.kind);
  if (rule === undefined) return undefined;
  if (object.metadata.deletionTimestamp !== undefined)
    return { status: 'Progressing', message: 'Pending deletion' };
  const values = celValue(
    undefined,
    Object.fromEntries(FIELDS.map((name) => [name, object[name] ?? {}])),
  ) as Record<string, unknown>;
  if (holds(rule, 'inProgress', values))
    return { status: 'Progressing', message: `${object.kind} is in progress` };
  if (holds(rule, 'failed', values)) return { status: 'Degraded', message: `${object.kind} has failed` };
  return holds(rule, 'current', values)
    ? { status: 'Healthy' }
    : { status: 'Progressing', message: `Waiting for the ${object.kind} to be ready` };
}

const programs = new WeakMap<HealthRule, Partial<Record<Words, Program>>>();

function holds(rule: HealthRule, word: Words, values: Record<string, unknown>): boolean {
  const text = rule[word];
  if (text === undefined) return false;
  try {
    const known = programs.get(rule) ?? {};
    programs.set(rule, known);
    known[word] ??= compileCel(text, FIELDS);
    return known[word].run(values) === true;
  } catch (error) {
    if (!(error instanceof CelError)) throw error;
    // A field that is not there yet is what most expressions wait for.
    if (/no such key|not found|undefined/i.test(error.message)) return false;
    throw new HealthRuleError(`The health of ${rule.kind} cannot be told by ${word}: ${error.message}`, {
      cause: error,
    });
  }
}

export interface RuleMap extends KubeObject {
  data?: Record<string, string>;
}

/** The rules that hold for every application and Kustomization: a ConfigMap has them. */
export class HealthRules {
  readonly maps: Informer<RuleMap>;
  readonly #events: EventRecorder;
  #known: { version: string; rules: HealthRule[] } = { version: '', rules: [] };

  constructor(maps: Informer<RuleMap>, events: EventRecorder) {
    this.maps = maps;
    this.#events = events;
  }

  get all(): readonly HealthRule[] {
    const [namespace = '', name = ''] = PLACE.split('/');
    const map = this.maps.get(namespace, name);
    const version = map?.metadata.resourceVersion ?? '';
    if (version !== this.#known.version) this.#known = { version, rules: this.#read(map) };
    return this.#known.rules;
  }

  /** Whether an object is the one that has them. */
  isSource({ metadata }: KubeObject): boolean {
    return `${metadata.namespace}/${metadata.name}` === PLACE;
  }

  #read(map: RuleMap | undefined): HealthRule[] {
    return Object.entries(map?.data ?? {}).flatMap(([key, text]) => {
      try {
        return rulesIn(readYaml(text, key));
      } catch (error) {
        this.#events.record(map!, {
          type: 'Warning',
          reason: 'BadHealthRule',
          message: `The rules of health under ${key} do not count: ${(error as Error).message}`,
        });
        return [];
      }
    });
  }
}

function rulesIn(value: unknown): HealthRule[] {
  if (!Array.isArray(value)) throw new HealthRuleError('A list of rules is wanted.');
  return value.map((item) => {
    const isRule =
      isRecord(item) && ['apiVersion', 'kind', 'current'].every((name) => typeof item[name] === 'string');
    if (!isRule) throw new HealthRuleError('A rule has apiVersion, kind and current.');
    for (const word of ['current', 'inProgress', 'failed'])
      if (typeof item[word] === 'string') compileCel(item[word], FIELDS);
    return item as unknown as HealthRule;
  });
}

import type { Path, Place } from '../problem.ts';
import { CORE_TYPES, META_TYPES, PIPELINE_ALIASES, PIPELINE_TYPES } from '../schema.ts';
import {
  Builtin,
  type CallArguments,
  Dict,
  Extension,
  JSON_MODULE,
  List,
  namespace,
  STRUCT,
  type Thread,
  unpack,
  type Value,
  ValueError,
} from '../starlark/index.ts';
import { constructorsOf, Message, toJson } from './message.ts';

/** What `task`, `resource` and `action` add to: the one pipeline of a Dispatchfile, or one of a library's own. */
export class PipelineBuilder extends Extension {
  readonly typeName = 'pipeline';
  readonly tasks = new Dict();
  readonly resources = new Dict();
  readonly actions = new List([]);
  readonly places = new Map<string, Place>();

  attributeNames(): string[] {
    return ['actions', 'resources', 'tasks'];
  }

  attribute(name: string): Value | undefined {
    return { actions: this.actions, resources: this.resources, tasks: this.tasks }[name];
  }

  show(): string {
    return `<pipeline of ${this.tasks.size} tasks>`;
  }

  toJson(): unknown {
    return { resource: toJson(this.resources), task: toJson(this.tasks), actions: toJson(this.actions) };
  }

  placeOf = (path: Path): Place | undefined => this.places.get(path.slice(0, 2).join('\u0000'));
}

/** Names that every Starlark file of a pipeline knows, libraries included. */
export function predeclared(pipeline: PipelineBuilder): Map<string, Value> {
  const core = constructorsOf(Object.keys(CORE_TYPES));
  const quantity = new Builtin('resource_quantity', (_, args) => {
    const [text] = unpack('resource_quantity', args, ['quantity']);
    if (typeof text !== 'string' || !/^[+-]?[\d.]+([eE][+-]?\d+|[numkMGTPE]i?)?$/.test(text))
      throw new ValueError(
        `resource_quantity: ${JSON.stringify(text)} is no quantity such as "500m" or "2Gi"`,
      );
    return text;
  });
  const v1 = namespace('k8s.corev1', core);
  return new Map<string, Value>([
    ['p', namespace('p', constructorsOf(Object.keys(PIPELINE_TYPES), PIPELINE_ALIASES))],
    [
      'k8s',
      namespace('k8s', {
        corev1: v1,
        metav1: namespace('k8s.metav1', constructorsOf(Object.keys(META_TYPES))),
        resource_quantity: quantity,
      }),
    ],
    ['v1', v1],
    ['json', JSON_MODULE],
    ['struct', STRUCT],
    ['pipeline', new Builtin('pipeline', () => new PipelineBuilder())],
    ['task', new Builtin('task', (thread, args) => named('task', 'Task', { thread, args, pipeline }))],
    [
      'resource',
      new Builtin('resource', (thread, args) => named('resource', 'Resource', { thread, args, pipeline })),
    ],
    ['action', new Builtin('action', (thread, args) => action(thread, args, pipeline))],
  ]);
}

interface Call {
  thread: Thread;
  args: CallArguments;
  pipeline: PipelineBuilder;
}

/** `task(name, …)` and `resource(name, …)`: add to the pipeline and give the name back. */
function named(kind: 'task' | 'resource', type: string, { thread, args, pipeline }: Call): Value {
  const { name, target, fields } = split(kind, args, pipeline);
  const into = kind === 'task' ? target.tasks : target.resources;
  if (into.has(name))
    throw new ValueError(`${kind}: there is a ${kind} named ${JSON.stringify(name)} already`);
  into.set(name, messageOf(type, fields));
  const { position } = thread;
  if (position !== undefined) target.places.set(`${kind}\u0000${name}`, position);
  return name;
}

function action(thread: Thread, args: CallArguments, pipeline: PipelineBuilder): Value {
  const fields = new Map(args.named);
  if (args.positional.length > 1)
    throw new ValueError('action takes named values only, such as action(tasks = […], on = …)');
  const given = args.positional[0] ?? fields.get('pipeline');
  fields.delete('pipeline');
  const target = given instanceof PipelineBuilder ? given : pipeline;
  const message = messageOf('Action', fields);
  target.actions.items.push(message);
  const { position } = thread;
  if (position !== undefined) target.places.set(`actions\u0000${target.actions.items.length - 1}`, position);
  return message;
}

function split(
  kind: string,
  { positional, named: given }: CallArguments,
  pipeline: PipelineBuilder,
): { name: string; target: PipelineBuilder; fields: Map<string, Value> } {
  const fields = new Map(given);
  const name = positional[0] ?? fields.get('name');
  if (typeof name !== 'string' || name === '')
    throw new ValueError(`${kind} needs a name: write ${kind}("name", …)`);
  if (positional.length > 2) throw new ValueError(`${kind} takes a name, and named values after it`);
  const own = positional[1] ?? fields.get('pipeline') ?? null;
  if (own !== null && !(own instanceof PipelineBuilder))
    throw new ValueError(`${kind}: pipeline must be a pipeline or None`);
  fields.delete('name');
  fields.delete('pipeline');
  return { name, target: own ?? pipeline, fields };
}

function messageOf(type: string, fields: ReadonlyMap<string, Value>): Message {
  const message = new Message(type);
  message.isMarker = true;
  for (const [name, value] of fields) message.setAttribute(name, value);
  return message;
}

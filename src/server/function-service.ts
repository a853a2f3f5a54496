import {
  type ApiRequest,
  listReply,
  objectReply,
  type Reply,
  type RequestInfo,
  type Resource,
} from '../apiserver/index.ts';
import {
  BadSourceError,
  type FunctionRun,
  type Functions,
  RUN_API_VERSION,
  type RunRequest,
  type SourceFile,
} from '../functions/index.ts';
import { ApiError, isRecord, type KubeClient, pause } from '../kube/index.ts';
import { FUNCTION_RUN } from './described.ts';
import { bodyOf, jsonReply, type ServicePart } from './local-services.ts';
import { mayReadSecrets } from './secret-access.ts';

const POLL_MS = 200;
const MAX_LIST = 1000;

/** Runs of functions and the sources of functions: what `dispatch exec` and `dispatch get runs` speak to. */
export class FunctionService implements ServicePart {
  readonly resources = [
    { name: 'functionruns', verbs: ['create', 'get', 'list'], kind: 'FunctionRun' },
    { name: 'functionruns/log', verbs: ['get'], kind: 'FunctionRun' },
    { name: 'functionruns/redrive', verbs: ['create'], kind: 'FunctionRun' },
    { name: 'functionsources', verbs: ['create'], kind: 'FunctionSource' },
    { name: 'functionimages', verbs: ['create'], kind: 'FunctionImage' },
  ].map((resource) => ({ ...resource, namespaced: true }));
  readonly #client: KubeClient;
  readonly #functions: Functions;

  constructor(client: KubeClient, functions: Functions) {
    this.#client = client;
    this.#functions = functions;
  }

  handle = async (request: ApiRequest, info: RequestInfo): Promise<Reply | undefined> => {
    const { plural, verb, subresource } = info;
    if (plural === 'functionsources') return verb === 'create' ? this.#upload(request, info) : undefined;
    if (plural === 'functionimages') return verb === 'create' ? this.#image(request, info) : undefined;
    if (subresource === 'log') return this.#log(request, info);
    if (subresource === 'redrive' && verb === 'create')
      return jsonReply(200, await this.#functions.runs.redrive(info.namespace, info.name));
    if (subresource !== '') return undefined;
    if (verb === 'create') return this.#run(request, info);
    if (verb !== 'get') return this.#list(request, info);
    return objectReply(request, FUNCTION_RUN, this.#find(info), Date.now());
  };

  described = (): Resource[] => [FUNCTION_RUN];

  async #run(request: ApiRequest, { namespace }: RequestInfo): Promise<Reply> {
    const { spec } = bodyOf(request);
    if (!isRecord(spec) || typeof spec['function'] !== 'string' || spec['function'] === '')
      throw new ApiError('BadRequest', 'The run has no spec.function: name the function to call.');
    const secrets = texts(spec['secrets'], 'spec.secrets');
    await mayReadSecrets(this.#client, request.user, namespace, secrets);
    const key = spec['idempotencyKey'];
    const wanted: RunRequest = {
      namespace,
      function: spec['function'],
      input: spec['input'] ?? {},
      secrets,
      ...(typeof key === 'string' && key !== '' && { idempotencyKey: key }),
    };
    if (spec['blocking'] === false) return jsonReply(202, await this.#functions.runs.accept(wanted));
    return jsonReply(201, await this.#functions.runs.execute(wanted));
  }

  #list(request: ApiRequest, { namespace }: RequestInfo): Reply {
    const { query } = request;
    const since = query.get('since');
    const items = this.#functions.runs.list({
      ...(namespace !== '' && { namespace }),
      ...(query.get('function') && { function: query.get('function')! }),
      ...(query.get('status') && { status: query.get('status')! }),
      ...(since !== null && { since: timeOf(since) }),
      limit: Math.min(MAX_LIST, Number(query.get('limit')) || MAX_LIST),
    });
    return listReply(request, FUNCTION_RUN, items, Date.now());
  }

  #find({ namespace, name }: RequestInfo): FunctionRun {
    const run = this.#functions.runs.get(namespace, name);
    if (run === undefined) throw new ApiError('NotFound', `run ${name} not found`);
    return run;
  }

  /** Lines as they come, until the run has ended when the reader wants to follow. */
  #log({ query }: ApiRequest, info: RequestInfo): Reply {
    this.#find(info);
    const follow = query.get('follow') === 'true';
    return {
      status: 200,
      headers: { 'content-type': 'text/plain; charset=utf-8' },
      start: async (sink) => {
        let sent = 0;
        for (;;) {
          const { logs, ended } = await this.#functions.runs.logsOf(this.#find(info));
          const lines = [...logs.stdout, ...logs.stderr];
          if (lines.length > sent) sink.write(`${lines.slice(sent).join('\n')}\n`);
          sent = lines.length;
          if (ended || !follow || sink.signal.aborted) break;
          await pause(POLL_MS, sink.signal);
        }
        sink.end();
      },
    };
  }

  async #image(request: ApiRequest, { namespace }: RequestInfo): Promise<Reply> {
    const { spec, credentials } = bodyOf(request);
    if (!isRecord(spec) || typeof spec['function'] !== 'string')
      throw new ApiError(
        'BadRequest',
        'The image has no spec.function: name the function that it is made of.',
      );
    const { function: name, image } = spec;
    const push =
      typeof image === 'string'
        ? { image, ...(typeof credentials === 'string' && { credentials }) }
        : undefined;
    const made = await this.#functions
      .imageOf(namespace, name, push, request.signal)
      .catch((error: unknown) => {
        if (error instanceof ApiError) throw error;
        throw new ApiError('Invalid', (error as Error).message, undefined, error);
      });
    return jsonReply(201, {
      kind: 'FunctionImage',
      apiVersion: RUN_API_VERSION,
      metadata: { namespace },
      ...made,
    });
  }

  async #upload(request: ApiRequest, { namespace }: RequestInfo): Promise<Reply> {
    const { files } = bodyOf(request);
    if (!Array.isArray(files)) throw new ApiError('BadRequest', 'The source has no files.');
    try {
      const digest = await this.#functions.sources.put(namespace, files as SourceFile[]);
      return jsonReply(201, {
        kind: 'FunctionSource',
        apiVersion: RUN_API_VERSION,
        metadata: { namespace },
        digest,
      });
    } catch (error) {
      if (error instanceof BadSourceError) throw new ApiError('Invalid', error.message, undefined, error);
      throw error;
    }
  }
}

function texts(value: unknown, field: string): string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || value.some((item) => typeof item !== 'string'))
    throw new ApiError('BadRequest', `${field} must be a list of names.`);
  return value as string[];
}

/** Seconds since the epoch, as of old, or a time as people write it. */
function timeOf(text: string): number {
  const time = /^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text);
  if (Number.isNaN(time))
    throw new ApiError('BadRequest', `${text} is no time: give seconds or 2026-01-31T12:00:00Z.`);
  return time;
}

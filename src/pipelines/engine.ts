import { parse } from 'yaml';
import type { Pod } from '../kube/index.ts';
import type { PipelineContext } from './context.ts';
import { LogRecorder } from './logs/log-recorder.ts';
import { PipelineRunController } from './pipeline-run/pipeline-run.controller.ts';
import { References, type RemoteResolvers } from './resolve/resolver.ts';
import { TaskRunController } from './task-run/task-run.controller.ts';

const MAX_OUTPUT_BYTES = 16 * 1024 * 1024;

/** Everything that runs Tekton's objects on this machine. Make it before the informers start. */
export class PipelineEngine {
  readonly logs: LogRecorder;
  readonly #context: PipelineContext;
  readonly #controllers: readonly { run: (signal: AbortSignal) => Promise<void> }[];

  constructor(context: PipelineContext, resolvers: RemoteResolvers) {
    this.#context = context;
    this.logs = new LogRecorder(context);
    const references = new References(
      context.client,
      resolvers,
      (text) => parse(text, { maxAliasCount: 100 }) as unknown,
    );
    this.#controllers = [
      new TaskRunController(context, {
        references,
        output: (pod, container) => this.#output(pod, container),
      }),
      new PipelineRunController(context, references),
    ];
  }

  start(signal: AbortSignal): void {
    this.logs.start(signal);
  }

  async run(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#controllers.map((controller) => controller.run(signal)));
  }

  /** The standard output of a step that has ended, as it was. */
  async #output(pod: Pod, container: string): Promise<string> {
    const { namespace = '', name = '' } = pod.metadata;
    const stream = await this.#context.client.stream({
      method: 'GET',
      path: `/api/v1/namespaces/${namespace}/pods/${name}/log`,
      query: new URLSearchParams({ container, stream: 'Stdout', limitBytes: String(MAX_OUTPUT_BYTES) }),
    });
    const chunks: Uint8Array[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    return Buffer.concat(chunks).toString();
  }
}

import { Worker } from 'node:worker_threads';
import { DispatchfileError, type Place, type PlaceOf } from '../problem.ts';
import { placeAt, placesIn } from './places.ts';
import { rewriteOldSpellings } from './rewrite.ts';
import type { CueReply, CueRequest } from './worker.ts';

const TIMEOUT_MS = 20_000;
const MAX_TEXT = 1024 * 1024;

/** Evaluates CUE in a thread that stays warm, and that is ended when a file takes too long. */
export class CueEvaluator implements AsyncDisposable {
  #worker: Worker | undefined;
  readonly #waiting = new Map<
    number,
    { resolve: (reply: CueReply) => void; reject: (error: Error) => void; timer: NodeJS.Timeout }
  >();
  #next = 0;

  async evaluate(text: string, file: string): Promise<{ value: unknown; placeOf: PlaceOf }> {
    if (text.length > MAX_TEXT)
      throw new DispatchfileError([
        { message: `the file is larger than ${MAX_TEXT / 1024} KiB`, place: { file, line: 1, column: 1 } },
      ]);
    // The line that names the language is no CUE, but keeps its place.
    const source = text.replace(/^#!/, '//');
    const rewritten = rewriteOldSpellings(source);
    const reply = await this.#ask(rewritten.text);
    if (reply.json !== undefined)
      return { value: JSON.parse(reply.json) as unknown, placeOf: placesIn(source, file) };
    throw new DispatchfileError(
      problemsOf(reply.error ?? '', (line, column) => {
        const lines = rewritten.text.split('\n').slice(0, line - 1);
        const offset = lines.reduce((sum, item) => sum + item.length + 1, 0) + column - 1;
        return placeAt(source, rewritten.sourceOffset(offset), file);
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  #ask(text: string): Promise<CueReply> {
    this.#next += 1;
    const request: CueRequest = { id: this.#next, text };
    const worker = this.#start();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.#end(new Error(`the file takes longer than ${TIMEOUT_MS / 1000} s to evaluate`)),
        TIMEOUT_MS,
      );
      this.#waiting.set(request.id, { resolve, reject, timer });
      worker.ref();
      worker.postMessage(request);
    });
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(
      new URL(`./worker${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
      { env: {} },
    );
    worker.on('message', (reply: CueReply) => {
      const waiting = this.#waiting.get(reply.id);
      this.#waiting.delete(reply.id);
      clearTimeout(waiting?.timer);
      // An idle evaluator keeps no program alive.
      if (this.#waiting.size === 0) worker.unref();
      waiting?.resolve(reply);
    });
    worker.on('error', (error: Error) => this.#end(error));
    this.#worker = worker;
    return worker;
  }

  #end(error: Error): void {
    void this.#worker?.terminate();
    this.#worker = undefined;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(new DispatchfileError([{ message: error.message, place: undefined }], { cause: error }));
    }
    this.#waiting.clear();
  }
}

/** The errors of CUE: a sentence, and on the lines below where it goes wrong. */
function problemsOf(
  text: string,
  placeOf: (line: number, column: number) => Place,
): { message: string; place: Place | undefined }[] {
  const problems: { message: string; place: Place | undefined }[] = [];
  for (const line of text.split('\n')) {
    const at = /^\s+-:(\d+):(\d+)$/.exec(line);
    const last = problems.at(-1);
    if (at !== null && last !== undefined) last.place ??= placeOf(Number(at[1]), Number(at[2]));
    else if (line.trim() !== '' && !/^\s/.test(line))
      problems.push({ message: line.replace(/:$/, ''), place: undefined });
  }
  return problems.length > 0
    ? problems
    : [{ message: text.trim() || 'CUE cannot read the file', place: undefined }];
}

import type { KubeClient } from '../../../kube/index.ts';
import {
  outcomeOf,
  PIPELINE_RUNS,
  type PipelineRun,
  TASK_RUNS,
  type TaskRun,
} from '../../../pipelines/index.ts';
import type { Environment } from '../../environment.ts';
import type { LogLine } from './log-lines.ts';

const FRAME_MS = 100;
const POLL_MS = 300;
const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'];

interface TaskView {
  name: string;
  depth: number;
  state: 'waiting' | 'running' | 'succeeded' | 'failed' | 'skipped';
  startedAt: number | undefined;
  endedAt: number | undefined;
  line: string;
}

/** The tasks of a run on a terminal: how far each is, how long it takes, and what it prints now. */
export class LiveView {
  readonly #environment: Environment;
  readonly #tasks = new Map<string, TaskView>();
  readonly #lines = new Map<string, string[]>();
  #drawn = 0;
  #frame = 0;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Draws until the log has ended; what failed tasks have printed is shown below. */
  async follow(
    client: KubeClient,
    at: { namespace: string; run: string },
    lines: AsyncIterable<LogLine>,
  ): Promise<void> {
    const timer = setInterval(() => this.#draw(), FRAME_MS);
    let isOver = false;
    const polling = (async () => {
      while (!isOver) {
        await this.#refresh(client, at);
        await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      }
    })();
    try {
      for await (const { task, step, text } of lines) {
        const view = this.#tasks.get(task);
        if (view !== undefined) view.line = `${step}: ${text}`;
        this.#lines.set(task, [...(this.#lines.get(task) ?? []), `[${step}] ${text}`]);
      }
    } finally {
      isOver = true;
      await polling.catch(() => {});
      clearInterval(timer);
    }
    await this.#refresh(client, at);
    this.#draw();
    this.#showFailures();
  }

  async #refresh(
    client: KubeClient,
    { namespace, run: name }: { namespace: string; run: string },
  ): Promise<void> {
    const run = await client.get<PipelineRun>(PIPELINE_RUNS, namespace, name);
    const { items } = await client.list<TaskRun>(TASK_RUNS, {
      namespace,
      labelSelector: `tekton.dev/pipelineRun=${name}`,
    });
    const tasks = run.status?.pipelineSpec?.tasks ?? run.spec.pipelineSpec?.tasks ?? [];
    const depths = new Map<string, number>();
    for (const task of tasks)
      depths.set(task.name, Math.max(0, ...(task.runAfter ?? []).map((need) => (depths.get(need) ?? 0) + 1)));
    for (const { name: task } of tasks) {
      const found = items.find((item) => item.metadata.labels?.['tekton.dev/pipelineTask'] === task);
      const skipped = run.status?.skippedTasks?.some((item) => item.name === task) === true;
      const { startTime, completionTime } = found?.status ?? {};
      this.#tasks.set(task, {
        name: task,
        depth: depths.get(task) ?? 0,
        state: skipped ? 'skipped' : found === undefined ? 'waiting' : (outcomeOf(found) ?? 'running'),
        startedAt: startTime === undefined ? undefined : Date.parse(startTime),
        endedAt: completionTime === undefined ? undefined : Date.parse(completionTime),
        line: this.#tasks.get(task)?.line ?? '',
      });
    }
  }

  #draw(): void {
    const { stdout } = this.#environment;
    this.#frame += 1;
    const rows = [...this.#tasks.values()].map((task) => this.#row(task, stdout.columns || 80));
    // Up to where the last picture began, and over it.
    const up = this.#drawn > 0 ? `\u001b[${this.#drawn}A` : '';
    stdout.write(`${up}${rows.map((row) => `\u001b[2K${row}\n`).join('')}`);
    this.#drawn = rows.length;
  }

  #row(task: TaskView, width: number): string {
    const signs = {
      waiting: '\u001b[2m○\u001b[0m',
      running: `\u001b[36m${SPINNER[this.#frame % SPINNER.length]}\u001b[0m`,
      succeeded: '\u001b[32m✓\u001b[0m',
      failed: '\u001b[31m✗\u001b[0m',
      skipped: '\u001b[2m–\u001b[0m',
    };
    const seconds =
      task.startedAt === undefined
        ? ''
        : `${Math.max(0, Math.round(((task.endedAt ?? Date.now()) - task.startedAt) / 1000))}s`;
    const name = `${'  '.repeat(task.depth)}${task.name}`;
    const room = Math.max(0, width - name.length - seconds.length - 6);
    const line = task.state === 'running' ? plain(task.line).slice(0, room) : '';
    return `${'  '.repeat(task.depth)}${signs[task.state]} ${task.name} ${seconds} \u001b[2m${line}\u001b[0m`;
  }

  #showFailures(): void {
    for (const { name, state } of this.#tasks.values()) {
      if (state !== 'failed') continue;
      this.#environment.stdout.write(`\n${name}:\n`);
      for (const line of this.#lines.get(name) ?? []) this.#environment.stdout.write(`  ${line}\n`);
    }
  }
}

/** What a step prints must not move the cursor, nor do anything else to the terminal. */
function plain(text: string): string {
  return text.replaceAll(/\u001b\[[0-9;?]*[A-Za-z]|[\u0000-\u001f\u007f-\u009f]/g, '');
}

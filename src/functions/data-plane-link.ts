import type {
  EndpointRun,
  FunctionConfig,
  FunctionsFromDataPlane,
  FunctionsLink,
  FunctionsToDataPlane,
  Invocation,
  Load,
  Outcome,
} from '../gateway/index.ts';

export interface LinkEvents {
  loads: (loads: readonly Load[]) => void;
  /** An instance is to be ended. */
  end: (instance: string) => void;
  ran: (runs: readonly EndpointRun[]) => void;
  /** Resolves to the name of the run when it is on disk. */
  accept: (invocation: Invocation, idempotencyKey: string | undefined) => Promise<string>;
  instances: () => FunctionsToDataPlane[];
}

interface Pending {
  resolve: (outcome: Outcome) => void;
  startedAt: number;
}

/** The server's end of the talk with the data plane about functions. A data plane that begins anew is told all. */
export class DataPlaneLink implements FunctionsLink {
  readonly #tell: (message: FunctionsToDataPlane) => void;
  readonly #now: () => number;
  readonly #configs = new Map<string, { config: FunctionConfig; text: string }>();
  readonly #pending = new Map<number, Pending>();
  #events: LinkEvents | undefined;
  #next = 1;

  constructor(tell: (message: FunctionsToDataPlane) => void, now: () => number) {
    this.#tell = tell;
    this.#now = now;
  }

  /** Before the data plane is started. */
  attach(events: LinkEvents): void {
    this.#events = events;
  }

  tell(message: FunctionsToDataPlane): void {
    this.#tell(message);
  }

  set(config: FunctionConfig): void {
    const text = JSON.stringify(config);
    if (this.#configs.get(config.key)?.text === text) return;
    this.#configs.set(config.key, { config, text });
    this.#tell({ type: 'functions', set: [config], removed: [] });
  }

  remove(key: string): void {
    if (this.#configs.delete(key)) this.#tell({ type: 'functions', set: [], removed: [key] });
  }

  knows(key: string): boolean {
    return this.#configs.has(key);
  }

  call(invocation: Invocation): Promise<Outcome> {
    const id = this.#next++;
    return new Promise((resolve) => {
      this.#pending.set(id, { resolve, startedAt: this.#now() });
      this.#tell({ type: 'call', id, invocation });
    });
  }

  greeting = (): FunctionsToDataPlane[] => [
    { type: 'functions', set: [...this.#configs.values()].map(({ config }) => config), removed: [] },
    ...(this.#events?.instances() ?? []),
  ];

  heard = (message: FunctionsFromDataPlane): void => {
    switch (message.type) {
      case 'load':
        this.#events?.loads(message.loads);
        break;
      case 'drained':
      case 'kill':
        this.#events?.end(message.id);
        break;
      case 'result':
        this.#pending.get(message.id)?.resolve(message.outcome);
        this.#pending.delete(message.id);
        break;
      case 'runs':
        this.#events?.ran(message.runs);
        break;
      case 'accept':
        void this.#accept(message);
        break;
    }
  };

  lost = (): void => {
    const finishedAt = this.#now();
    for (const { resolve, startedAt } of this.#pending.values())
      resolve({
        output: 'null',
        startedAt,
        finishedAt,
        revision: '',
        error: {
          type: 'SystemError',
          message: 'The gateway was started again while the function ran: call it again.',
          stacktrace: [],
          status: 503,
        },
      });
    this.#pending.clear();
  };

  async #accept({
    id,
    invocation,
    idempotencyKey,
  }: Extract<FunctionsFromDataPlane, { type: 'accept' }>): Promise<void> {
    try {
      const run = await this.#events!.accept(invocation, idempotencyKey);
      this.#tell({ type: 'accepted', id, run });
    } catch (error) {
      this.#tell({ type: 'accepted', id, problem: (error as Error).message });
    }
  }
}

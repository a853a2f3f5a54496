import { type Logger, pause } from '../kube/index.ts';
import { Table } from '../journal/index.ts';

export interface TaggedImage {
  /** Every name under which the image is known, with its tag. */
  names: string[];
  digest: string;
}

const RETRY_MS = 10_000;

/** Images that were tagged and that not everybody knows of who is to know: on disk before the push is answered. */
export class ImageSpool implements AsyncDisposable {
  readonly #table: Table;
  readonly #deliver: (tagged: TaggedImage) => Promise<void>;
  readonly #log: Logger;
  #ready = false;
  #work: Promise<void> = Promise.resolve();

  private constructor(table: Table, deliver: ImageSpool['put'], log: Logger) {
    this.#table = table;
    this.#deliver = deliver;
    this.#log = log;
  }

  /** What `deliver` throws keeps the image where it is: it comes again. */
  static async open(
    dir: string,
    deliver: (tagged: TaggedImage) => Promise<void>,
    log: Logger,
  ): Promise<ImageSpool> {
    return new ImageSpool(await Table.open(dir), deliver, log);
  }

  /** Resolves when it is certain that somebody will hear of it. */
  put = async (tagged: TaggedImage): Promise<void> => {
    await this.#table.put(`${tagged.names[0]}@${tagged.digest}`, Buffer.from(JSON.stringify(tagged)));
    if (this.#ready) void this.#drain();
  };

  /** From now on whoever is to hear of images is there; what an earlier server has left is handed over first. */
  async run(signal: AbortSignal): Promise<void> {
    this.#ready = true;
    while (!signal.aborted) {
      await this.#drain();
      await pause(RETRY_MS, signal);
    }
    await this.#work;
  }

  #drain(): Promise<void> {
    this.#work = this.#work.then(async () => {
      for (const [key, value] of [...this.#table.entries()])
        try {
          await this.#deliver(JSON.parse(value.toString()) as TaggedImage);
          await this.#table.delete(key);
        } catch (error) {
          this.#log.warn({ err: error, image: key }, 'the push of an image is taken up later');
        }
    });
    return this.#work;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#table[Symbol.asyncDispose]();
  }
}

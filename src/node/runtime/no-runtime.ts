import { PodProblem } from '../pods/problem.ts';
import type { Runtime } from './runtime.ts';

/** Stands where this machine lets no container run: everything else works, and pods are told why they wait. */
export class NoRuntime implements Runtime {
  readonly name = 'none';
  readonly #why: string;

  constructor(why: string) {
    this.#why = why;
  }

  createPod = (): Promise<never> => this.#refuse();
  startContainer = (): Promise<never> => this.#refuse();
  run = (): Promise<never> => this.#refuse();
  attach = (): Promise<never> => this.#refuse();
  dial = (): Promise<never> => this.#refuse();
  mountMemory = (): Promise<never> => this.#refuse();
  readLayer = (): Promise<never> => this.#refuse();
  removePod = async (): Promise<void> => {};
  kill = async (): Promise<void> => {};
  removeContainer = async (): Promise<void> => {};
  own = async (): Promise<void> => {};
  removeFiles = async (): Promise<void> => {};
  list = async () => ({ pods: [], containers: [] });
  stats = async () => [];
  listen = (): void => {};
  [Symbol.asyncDispose] = async (): Promise<void> => {};

  #refuse(): Promise<never> {
    return Promise.reject(new PodProblem('FailedCreatePodSandBox', this.#why));
  }
}

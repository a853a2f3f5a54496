import { join } from 'node:path';
import { Functions, type InstanceHost } from '../functions/index.ts';
import type { FunctionsToDataPlane } from '../gateway/index.ts';
import type { ControllerContext } from '../kube/index.ts';
import type { DataDir } from './data-dir.ts';
import { functionImages } from './function-images.ts';
import { FunctionService } from './function-service.ts';
import type { ImageService } from './image-service.ts';
import type { ServicePart } from './local-services.ts';

export interface ServerlessOptions extends ControllerContext {
  dirs: DataDir;
  host: InstanceHost;
  images: () => ImageService;
  registry: () => string;
  tell: (message: FunctionsToDataPlane) => void;
}

/** Functions, endpoints and events. */
export class Serverless implements AsyncDisposable {
  readonly functions: Functions;
  /** What is no object: runs, sources. */
  readonly services: readonly ServicePart[];

  private constructor(options: ServerlessOptions, functions: Functions) {
    this.functions = functions;
    this.services = [new FunctionService(options.client, functions)];
  }

  static async open(options: ServerlessOptions): Promise<Serverless> {
    const { dirs, images, registry, ...context } = options;
    const dir = join(dirs.root, 'functions');
    const functions = await Functions.open({
      ...context,
      dir,
      build: functionImages(join(dir, 'builds'), images, registry),
    });
    return new Serverless(options, functions);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.functions.run(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.functions[Symbol.asyncDispose]();
  }
}

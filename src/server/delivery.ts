import { join } from 'node:path';
import { ArtifactStore } from '../ci/index.ts';
import type { KubeClient, Logger } from '../kube/index.ts';
import type { ServedProgram } from '../node/index.ts';
import { ForgeRepositories, Git, GitHttp, PushSpool } from '../scm/index.ts';
import type { DataDir } from './data-dir.ts';
import { gitAccess } from './git-access.ts';
import type { ImageService } from './image-service.ts';
import { artifacts } from './served/artifacts.ts';
import { kaniko } from './served/kaniko.ts';
import type { TokenAccess } from './token-access.ts';
import type { WebServer } from './web-server.ts';

export interface DeliveryOptions {
  client: KubeClient;
  dirs: DataDir;
  access: TokenAccess;
  /** Where programs of this machine are looked for. */
  path: string;
  images: () => ImageService;
  log: Logger;
}

const KANIKO = /^(?:[\w.-]+\/)*(?:kaniko-project\/executor|kaniko-executor)(?:[:@].*)?$/;
const ARTIFACTS = /^dispatch\.local\/artifacts(?:[:@].*)?$/;

/** From a push to a pipeline, as far as it is no controller: repositories, artifacts, and work done for steps. */
export class Delivery {
  readonly forge: ForgeRepositories;
  readonly artifacts: ArtifactStore;
  readonly #options: DeliveryOptions;
  readonly #spool: PushSpool;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    const { dirs, path, client } = options;
    this.forge = new ForgeRepositories(dirs.git, new Git(path));
    this.artifacts = new ArtifactStore(join(dirs.root, 'artifacts'), client);
    this.#spool = new PushSpool(this.forge, async () => {});
  }

  serveOn(web: WebServer): void {
    const { access, log } = this.#options;
    const onError = (error: unknown): void =>
      log.warn({ err: error }, 'a request of git could not be answered');
    const git = new GitHttp({
      repositories: this.forge,
      authorize: gitAccess(access),
      pushed: (repository) => void this.#spool.drain(repository).catch(onError),
      onError,
    });
    web.route('/dispatch/git/', (request, response, path) => git.handle(request, response, path));
  }

  /** What this process does in the place of a container with an image of that name. */
  program = (image: string): ServedProgram | undefined => {
    if (KANIKO.test(image)) return kaniko(this.#options.images);
    if (ARTIFACTS.test(image)) return artifacts(() => this.artifacts);
    return undefined;
  };
}

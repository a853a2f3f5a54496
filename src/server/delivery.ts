import { join } from 'node:path';
import { KINDS, toDefinition } from '../api/index.ts';
import { ArtifactStore, type CiContext, ciControllers, EventSink, UNTRUSTED } from '../ci/index.ts';
import { DispatchfileRenderer } from '../dispatchfile/index.ts';
import {
  type Container,
  type EventRecorder,
  type Informers,
  type KubeClient,
  type KubeObject,
  type Logger,
  type Pod,
  PODS,
} from '../kube/index.ts';
import type { ServedProgram } from '../node/index.ts';
import { VolumeReader } from '../node/index.ts';
import { httpResolver, PipelineEngine, tektonDefinitions } from '../pipelines/index.ts';
import {
  ChangeRequestController,
  ForgeHttp,
  forgeName,
  ForgeRepositories,
  type ForgeRepository,
  Git,
  GitHttp,
  LocalForge,
  Mirrors,
  PushSpool,
  type SourceContext,
} from '../scm/index.ts';
import { type ChartSource, Gitops, gitopsDefinitions } from '../gitops/index.ts';
import { Renderer } from '../render/index.ts';
import { OWN_HOST } from '../images/index.ts';
import type { DataDir } from './data-dir.ts';
import { ForgeService } from './forge-service.ts';
import { gitAccess } from './git-access.ts';
import type { Happenings } from './happenings.ts';
import { GitopsService } from './gitops-service.ts';
import { type BundleOptions, bundleResolver } from './bundle-resolver.ts';
import type { TaggedImage } from './image-spool.ts';
import { gitResolver } from './git-resolver.ts';
import type { ImageService } from './image-service.ts';
import type { ServicePart } from './local-services.ts';
import { outwardFetch } from './outward-fetch.ts';
import { RunService } from './run-service.ts';
import { artifacts } from './served/artifacts.ts';
import type { MayPush } from './served/build-step.ts';
import { buildctl } from './served/buildctl.ts';
import { kaniko } from './served/kaniko.ts';
import type { TokenAccess } from './token-access.ts';
import { trustingFetch } from './trusting-fetch.ts';
import { WEB_URL, type WebServer } from './web-server.ts';

export interface DeliveryOptions {
  client: KubeClient;
  informers: Informers;
  events: (component: string) => EventRecorder;
  dirs: DataDir;
  access: TokenAccess;
  /** Where programs of this machine are looked for. */
  path: string;
  images: () => ImageService;
  /** Where bundles of Tekton's objects come from. */
  bundles: Omit<BundleOptions, 'client'>;
  charts: ChartSource;
  happenings: Happenings;
  publicUrl: () => string;
  now: () => number;
  log: Logger;
}

const OWN_IMAGES = `${OWN_HOST}/`;
/** Stands for images of buildkit where their client is run: whatever else they are used for, they are themselves. */
const BUILDCTL = 'dispatch.local/buildctl';
const BUILDKIT = /^(?:[\w.-]+\/)*moby\/buildkit(?:[:@].*)?$/;
const KANIKO = /^(?:[\w.-]+\/)*(?:kaniko-project\/executor|kaniko-executor)(?:[:@].*)?$/;
const ARTIFACTS = /^dispatch\.local\/artifacts(?:[:@].*)?$/;
/** What the platform adds to a pipeline runs in images that are made of this machine's programs, or in none at all. */
export const STEP_IMAGES = {
  git: 'dispatch.local/git',
  shell: 'dispatch.local/shell',
  artifacts: 'dispatch.local/artifacts',
};

/** The kinds that have to be there before anybody watches them. */
export function deliveryDefinitions(): KubeObject[] {
  return [
    ...tektonDefinitions(),
    ...gitopsDefinitions(),
    ...KINDS.map((kind) => toDefinition(kind) as unknown as KubeObject),
  ];
}

/** From a push to a pipeline that has ended: repositories, events, runs, artifacts, and work done for steps. */
export class Delivery implements AsyncDisposable {
  readonly forge: ForgeRepositories;
  readonly artifacts: ArtifactStore;
  /** What is no object: logs, artifacts, repositories of this server. */
  readonly services: readonly ServicePart[];
  readonly #options: DeliveryOptions;
  readonly #spool: PushSpool;
  readonly #mirrors: Mirrors;
  readonly #engine: PipelineEngine;
  readonly #renderer = new DispatchfileRenderer();
  readonly #controllers: readonly { run: (signal: AbortSignal) => Promise<void> }[];
  readonly #sink: EventSink;
  readonly #changes: ChangeRequestController;
  readonly #local: LocalForge;
  readonly gitops: Gitops;

  constructor(options: DeliveryOptions) {
    this.#options = options;
    const { dirs, path, client, informers, log, now, events } = options;
    const git = new Git(path);
    const outward = outwardFetch();
    this.forge = new ForgeRepositories(dirs.git, git);
    this.artifacts = new ArtifactStore(join(dirs.root, 'artifacts'), client, outward);
    const shared = { client, informers, log, now, events };
    const mirrors = new Mirrors(join(dirs.root, 'mirrors'), git);
    this.#mirrors = mirrors;
    this.#engine = new PipelineEngine(
      { ...shared, files: new VolumeReader(dirs.pods), logsDir: join(dirs.logs, 'runs') },
      {
        http: httpResolver(outward),
        git: gitResolver(mirrors),
        bundles: bundleResolver({ client, ...options.bundles }),
      },
    );
    this.#local = new LocalForge(client, this.forge, {
      publicUrl: options.publicUrl,
      pushed: (repository) => this.pushed(repository),
    });
    const sources: SourceContext = {
      client,
      fetch,
      trusting: trustingFetch(),
      forge: this.forge,
      localApi: this.#local,
      publicUrl: options.publicUrl,
      clusterUrl: WEB_URL,
    };
    const context: CiContext = {
      ...shared,
      ...sources,
      mirrors,
      renderer: this.#renderer,
      images: STEP_IMAGES,
      forgetRun: async (namespace, run) => {
        await this.artifacts.remove(namespace, run);
        await this.#engine.logs.remove(namespace, run);
      },
    };
    this.#sink = new EventSink(context);
    this.#spool = new PushSpool(this.forge, async (push) => {
      const { id, repository, updates } = push;
      for (const update of updates)
        await options.happenings.git({
          id: `${id}/${update.ref}`,
          namespace: repository.owner,
          repository: repository.name,
          type: 'push',
          data: update,
        });
      await this.#sink.pushed(push);
    });
    this.#changes = new ChangeRequestController({
      ...shared,
      forge: this.forge,
      happened: async (repository, event, id) => {
        const { owner: namespace, name } = repository;
        await options.happenings.git({ id, namespace, repository: name, type: event.type, data: event });
        await this.#sink.changed(repository, event, id);
        await this.gitops.happened(
          `${WEB_URL}/dispatch/git/${repository.owner}/${repository.name}.git`,
          event,
        );
      },
      pushed: (repository) => this.pushed(repository),
    });
    this.gitops = new Gitops({
      ...shared,
      ...sources,
      mirrors,
      renderer: new Renderer({ path, scratchDir: join(dirs.run, 'render'), now }),
      charts: options.charts,
      outward: (ca) => (ca === undefined ? outward : outwardFetch({ ca })),
      wrote: (url) => {
        const local = forgeName(sources, url);
        if (local === undefined) this.gitops.pushed(url);
        else this.pushed(local);
      },
      checkoutsDir: join(dirs.root, 'checkouts'),
    });
    this.#controllers = [this.#engine, ...ciControllers(context), this.#changes, this.gitops];
    const runs = new RunService({
      client,
      informers,
      logs: this.#engine.logs,
      artifacts: this.artifacts,
      log,
    });
    this.services = [
      runs,
      new ForgeService(this.forge, this.#local, options.publicUrl),
      new GitopsService(client, this.gitops),
    ];
  }

  serveOn(web: WebServer): void {
    const { access, log } = this.#options;
    const authorize = gitAccess(access);
    const forge = new ForgeHttp(this.#local, authorize);
    const git = new GitHttp({
      repositories: this.forge,
      authorize,
      pushed: (repository) => this.pushed(repository),
      onError: (error) => log.warn({ err: error }, 'a request of git could not be answered'),
    });
    web.route('/dispatch/git/', (request, response, path) =>
      forge.isFor(path) ? forge.handle(request, response, path) : git.handle(request, response, path),
    );
    web.route('/dispatch/hook/gitops/', this.gitops.hooks.handle);
    web.route('/dispatch/hook/', this.#sink.handle);
  }

  /** Something was pushed to a repository of this server. */
  pushed(repository: ForgeRepository): void {
    this.#changes.look(repository);
    this.gitops.pushed(`${WEB_URL}/dispatch/git/${repository.owner}/${repository.name}.git`);
    void this.#spool
      .drain(repository)
      .catch((error: unknown) =>
        this.#options.log.warn({ err: error }, 'a push could not be taken up, and is taken up later'),
      );
  }

  /** An image of this server's registry has got a new tag, or a tag new content: whoever is to know is told. */
  imageTagged = async ({ names, digest }: TaggedImage): Promise<void> => {
    for (const name of names) {
      const at = name.lastIndexOf(':');
      const push = { image: name.slice(0, at), tag: name.slice(at + 1), id: `${name}@${digest}` };
      await this.#sink.images.pushed(push);
      if (!name.startsWith(OWN_IMAGES)) continue;
      const namespace = name.slice(OWN_IMAGES.length).split('/', 1)[0]!;
      await this.#options.happenings.image({ namespace, image: push.image, tag: push.tag, digest });
    }
  };

  /** Before the informers start. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#mirrors.tidy();
    this.#engine.start(signal);
  }

  async run(signal: AbortSignal): Promise<void> {
    await this.forge.renewHooks();
    const late = this.#spool
      .drainAll()
      .catch((error: unknown) =>
        this.#options.log.warn({ err: error }, 'pushes of before could not be taken up'),
      );
    await Promise.all([late, ...this.#controllers.map((controller) => controller.run(signal))]);
  }

  /** The image that a container is about, whatever it is called. */
  imageName = ({ image, command = [] }: Pick<Container, 'image' | 'command'>): string =>
    BUILDKIT.test(image) && /(?:^|\/)buildctl(?:-daemonless\.sh)?$/.test(command[0] ?? '') ? BUILDCTL : image;

  /** What this process does in the place of a container with an image of that name. */
  program = (image: string): ServedProgram | undefined => {
    const deps = { images: this.#options.images, mayPush: this.#mayPush };
    if (KANIKO.test(image)) return kaniko(deps);
    if (image === BUILDCTL) return buildctl(deps);
    if (ARTIFACTS.test(image)) return artifacts(() => this.artifacts);
    return undefined;
  };

  /** Pods push to the repositories of their namespace. What code of strangers builds goes nowhere. */
  readonly #mayPush: MayPush = async ({ namespace, name }, image) => {
    const pod = await this.#options.client.get<Pod>(PODS, namespace, name);
    if (pod.spec.serviceAccountName === UNTRUSTED) return false;
    const owner = this.#options.images().ownerOf(image);
    return owner === undefined || owner === namespace;
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gitops[Symbol.asyncDispose]();
    await this.#renderer[Symbol.asyncDispose]();
  }
}

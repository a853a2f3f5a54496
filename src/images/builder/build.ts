import { randomUUID } from 'node:crypto';
import { lstat, readFile, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Image } from '../content/image-store.ts';
import { hostPlatform, type ImageConfig, type Manifest, MEDIA } from '../manifest.ts';
import { archiveType, download, ignoreListOf, withArchive } from './add-sources.ts';
import { addParents, contentEntries, copyEntries, type CopyTarget, modeOf, ownerOf } from './copy.ts';
import { expandVariables, splitWords } from './dockerfile/expand.ts';
import { DockerfileError, execForm, type Instruction, parseDockerfile } from './dockerfile/parse.ts';
import type { IgnoreList } from './ignore.ts';
import { CONFIGURE } from './instructions.ts';
import { type Layer, LayerStore, type NewEntry } from './layer-store.ts';
import { LayerView } from './layer-view.ts';
import { findStage, type Plan, planBuild, type StagePlan } from './plan.ts';
import { runMounts } from './run-mounts.ts';
import { ContextTree, digestOf, LayerTree, type Source, type Tree } from './sources.ts';
import { Stage } from './stage.ts';
import { BuildError, type BuildOptions, type RunMount } from './types.ts';

const EPOCH = '1970-01-01T00:00:00Z';
const LAYER = MEDIA.layer;
/** "link" asks for independence from the layers below, which layers here have anyway. */
const FLAGS: Record<string, readonly string[]> = {
  RUN: ['mount', 'network'],
  COPY: ['from', 'chown', 'chmod', 'link', 'exclude'],
  ADD: ['chown', 'chmod', 'link', 'checksum', 'exclude'],
  HEALTHCHECK: ['interval', 'timeout', 'start-period', 'start-interval', 'retries'],
};

/** Builds an image from a Dockerfile. The same files and words give the same digest. */
export async function buildImage(options: BuildOptions): Promise<Image> {
  try {
    return await new Build(options).run();
  } catch (error) {
    if (error instanceof DockerfileError)
      throw new BuildError(`the Dockerfile is wrong: ${error.message}`, error);
    throw error;
  }
}

class Build {
  readonly #options: BuildOptions;
  readonly #layers: LayerStore;
  readonly #stages = new Map<number, Stage>();
  readonly #images = new Map<string, Stage>();
  #plan!: Plan;
  #ignore!: IgnoreList;
  #escaper = '\\';

  constructor(options: BuildOptions) {
    this.#options = options;
    this.#layers = new LayerStore({ ...options, content: options.images.content });
  }

  async run(): Promise<Image> {
    const { dockerfile, target, buildArgs, contextDir } = this.#options;
    await this.#layers.open();
    this.#ignore = await ignoreListOf(contextDir, undefined);
    const file = parseDockerfile(dockerfile);
    this.#escaper = file.escape;
    this.#plan = planBuild(file, {
      target,
      buildArgs,
      predefined: this.#predefined(),
    });
    for (const index of this.#plan.needed) {
      const plan = this.#plan.stages[index]!;
      this.#stages.set(index, await this.#stage(plan));
    }
    return this.#finish(this.#stages.get(this.#plan.target)!);
  }

  #predefined(): Record<string, string> {
    const { os, architecture } = hostPlatform(this.#options.arch);
    const platform = `${os}/${architecture}`;
    return {
      TARGETPLATFORM: platform,
      TARGETOS: os,
      TARGETARCH: architecture,
      TARGETVARIANT: '',
      BUILDPLATFORM: platform,
      BUILDOS: os,
      BUILDARCH: architecture,
      BUILDVARIANT: '',
    };
  }

  async #stage(plan: StagePlan): Promise<Stage> {
    const stage = await this.#base(plan);
    const triggers = stage.config.OnBuild ?? [];
    delete stage.config.OnBuild;
    for (const text of triggers)
      for (const instruction of parseDockerfile(`FROM scratch\n${text}`).instructions.slice(1))
        await this.#step(stage, plan, instruction);
    for (const instruction of plan.instructions) {
      this.#options.signal.throwIfAborted();
      await this.#step(stage, plan, instruction);
    }
    return stage;
  }

  async #base(plan: StagePlan): Promise<Stage> {
    const { platform } = plan;
    const { os, architecture } = hostPlatform(this.#options.arch);
    if (platform !== undefined && !platform.startsWith(`${os}/${architecture}`))
      throw new DockerfileError(
        plan.line,
        `images for ${platform} cannot be built here, only for ${os}/${architecture}`,
      );
    const name = plan.name === undefined ? '' : ` AS ${plan.name}`;
    this.#say(`FROM ${plan.base}${name}`);
    if (plan.from !== undefined) return Stage.fromStage(this.#stages.get(plan.from)!);
    return plan.base === 'scratch' ? new Stage(this.#escaper) : this.#imageStage(plan.base);
  }

  async #imageStage(name: string): Promise<Stage> {
    let stage = this.#images.get(name);
    if (stage === undefined) {
      const image = await this.#options.resolve(name, this.#options.signal);
      stage = Stage.fromImage(image, await this.#options.images.root(image), this.#escaper);
      this.#images.set(name, stage);
    }
    return Stage.fromStage(stage);
  }

  async #step(stage: Stage, plan: StagePlan, instruction: Instruction): Promise<void> {
    const { name, text, line } = instruction;
    this.#say(`${name} ${text}`);
    refuseUnknownFlags(instruction);
    try {
      const configure = CONFIGURE[name];
      if (configure !== undefined) {
        configure(stage, instruction, { buildArgs: this.#options.buildArgs, globals: this.#plan.globals });
        stage.history.push({ created: EPOCH, created_by: `${name} ${text}`, empty_layer: true });
        // An argument counts only where it is used: as part of what a program sees.
        if (name !== 'ARG') stage.key = stage.nextKey(name, JSON.stringify(stage.config));
      } else if (name === 'RUN') await this.#run(stage, plan, instruction);
      else if (name === 'COPY' || name === 'ADD') await this.#copy(stage, plan, instruction);
      else if (name === 'WORKDIR') await this.#workdir(stage, instruction);
      else throw new DockerfileError(line, `${name} is not understood`);
    } catch (error) {
      if (error instanceof DockerfileError || error instanceof BuildError || this.#options.signal.aborted)
        throw error;
      throw new BuildError(
        `line ${line}: ${name} ${text.split('\n')[0]}: ${(error as Error).message}`,
        error,
      );
    }
  }

  async #workdir(stage: Stage, { text }: Instruction): Promise<void> {
    const path = `/${stage
      .absolute(stage.expand(text))
      .split('/')
      .filter((part) => part !== '' && part !== '.')
      .join('/')}`;
    stage.config.WorkingDir = path;
    const { view } = stage;
    const resolved = view.resolve(path);
    stage.key = stage.nextKey('WORKDIR', path);
    if (resolved === '' || view.lookup(resolved)?.stats.isDirectory()) {
      stage.history.push({ created: EPOCH, created_by: `WORKDIR ${path}`, empty_layer: true });
      return;
    }
    const entries = new Map<string, NewEntry>();
    const owner = stage.config.User ? ownerOf(stage.expand(stage.config.User), view) : undefined;
    addParents(resolved, { view, owner }, entries);
    await this.#add(stage, stage.key, `WORKDIR ${path}`, () =>
      this.#layers.fromEntries([...entries.values()]),
    );
  }

  async #add(stage: Stage, key: string, createdBy: string, make: () => Promise<Layer>): Promise<void> {
    const cached = this.#options.noCache ? undefined : await this.#layers.cached(key);
    if (cached !== undefined) this.#say('  (from the cache)');
    const layer = cached ?? (await make());
    if (cached === undefined) await this.#layers.remember(key, layer);
    stage.key = key;
    stage.push(layer, LAYER);
    stage.history.push({ created: EPOCH, created_by: createdBy });
  }

  async #run(stage: Stage, plan: StagePlan, instruction: Instruction): Promise<void> {
    const { text, heredocs, flags } = instruction;
    const mountFlags = flags.filter((flag) => flag.name === 'mount').map((flag) => stage.expand(flag.value));
    const network = flags.find((flag) => flag.name === 'network')?.value;
    const argv = execForm(text) ?? [...stage.shell, scriptOf(text, heredocs)];
    const key = stage.nextKey(
      'RUN',
      JSON.stringify([argv, mountFlags, network, stage.runEnv, stage.config.User, stage.config.WorkingDir]),
    );
    await this.#add(stage, key, `RUN ${text}`, async () => {
      const workspace = await this.#layers.workspace();
      const mounts = await runMounts(mountFlags, {
        options: this.#options,
        layers: this.#layers,
        stage,
        workspace,
        lowerOf: (from) => this.#lowerOf(from, plan),
      });
      const exitCode = await this.#options.runner.run(
        {
          id: randomUUID(),
          lower: stage.lower,
          dir: workspace,
          argv,
          env: stage.runEnv,
          cwd: stage.config.WorkingDir || '/',
          user: stage.config.User ?? '',
          mounts,
          network: network === 'none' ? 'none' : this.#options.network,
        },
        (chunk) => this.#options.onOutput(chunk.toString()),
        this.#options.signal,
      );
      if (exitCode !== 0) {
        await this.#options.runner.removeFiles(workspace);
        throw new BuildError(
          `line ${instruction.line}: RUN ${text.split('\n')[0]} ended with exit code ${exitCode}`,
        );
      }
      await removePlaceholders(stage.view, join(workspace, 'upper'), mounts);
      return this.#layers.fromRun(workspace);
    });
  }

  async #lowerOf(from: string, plan: StagePlan): Promise<string[]> {
    const index = findStage(this.#plan.stages, from, plan.index);
    return index === undefined ? (await this.#imageStage(from)).lower : this.#stages.get(index)!.lower;
  }

  async #copy(stage: Stage, plan: StagePlan, instruction: Instruction): Promise<void> {
    const { name, text, heredocs, flags } = instruction;
    const flag = (wanted: string): string | undefined => {
      const value = flags.find((item) => item.name === wanted)?.value;
      return value === undefined ? undefined : stage.expand(value);
    };
    const from = flag('from');
    const tree: Tree =
      from === undefined
        ? new ContextTree(this.#options.contextDir, this.#ignoring(flags))
        : new LayerTree(new LayerView(await this.#lowerOf(from, plan)));
    const words =
      execForm(text)?.map((word) => stage.expand(word)) ?? splitWords(stage.expand(text), stage.escape);
    const destination = stage.absolute(words.pop() ?? '');
    if (words.length === 0) throw new Error('it takes at least one source and a destination');
    const { view } = stage;
    const chown = flag('chown');
    const chmod = flag('chmod');
    const target: CopyTarget = {
      destination:
        words.at(-1) === undefined || /\/$/.test(text.trim()) ? withSlash(destination) : destination,
      view,
      owner: chown === undefined ? undefined : ownerOf(chown, view),
      mode: chmod === undefined ? undefined : modeOf(chmod),
      keepOwners: from !== undefined,
    };
    const documents = heredocs.filter(
      (item) =>
        words.includes(`<<${item.name}`) ||
        words.includes(`<<-${item.name}`) ||
        text.includes(`<<"${item.name}"`) ||
        text.includes(`<<'${item.name}'`),
    );
    const plain = words.filter((word) => !word.startsWith('<<'));
    const remote = name === 'ADD' ? plain.filter((word) => /^https?:\/\//.test(word)) : [];
    const sources = plain.filter((word) => !remote.includes(word)).flatMap((word) => found(tree, word));
    const fetched = await Promise.all(remote.map((url) => download(url, flag('checksum'), this.#options)));
    const files = [
      ...fetched,
      ...documents.map((item) => ({
        name: item.name,
        content: Buffer.from(item.expand ? expandVariables(item.content, stage.variables) : item.content),
      })),
    ];
    const key = stage.nextKey(
      name,
      destination,
      JSON.stringify([chown, chmod]),
      await digestOf(sources),
      ...files.map((file) => `${file.name}\0${file.content.toString('base64')}`),
    );
    await this.#add(stage, key, `${name} ${text}`, async () => {
      const entries: NewEntry[] = files.flatMap((file) => contentEntries(file.name, file.content, target));
      for (const source of sources) {
        const unpacked =
          name === 'ADD' && !source.isDirectory ? await this.#unpacked(source, target) : undefined;
        entries.push(
          ...(unpacked ??
            copyEntries(
              [source],
              sources.length > 1 ? { ...target, destination: withSlash(destination) } : target,
            )),
        );
      }
      const unique = new Map(entries.map((item) => [item.entry.name, item]));
      return this.#layers.fromEntries(
        [...unique.values()].sort((a, b) => (a.entry.name < b.entry.name ? -1 : 1)),
      );
    });
  }

  #ignoring(flags: Instruction['flags']): IgnoreList {
    const excluded = flags.filter((flag) => flag.name === 'exclude').map((flag) => flag.value);
    return excluded.length === 0 ? this.#ignore : this.#ignore.with(excluded);
  }

  /** ADD lays out archives of the context instead of copying them. Its files are read before they go. */
  async #unpacked(source: Source, target: CopyTarget): Promise<NewEntry[] | undefined> {
    const file = source.entries[0]!.source;
    const type = await archiveType(file);
    if (type === undefined) return undefined;
    return withArchive(file, type, async (contents) => {
      const entries = copyEntries([contents], {
        ...target,
        destination: withSlash(target.destination),
        keepOwners: true,
      });
      return Promise.all(entries.map(loaded));
    });
  }

  async #finish(stage: Stage): Promise<Image> {
    const { images, labels, arch } = this.#options;
    const { os, architecture } = hostPlatform(arch);
    const config: ImageConfig = {
      created: EPOCH,
      architecture,
      os,
      config: {
        ...stage.config,
        ...(Object.keys(labels).length > 0 && { Labels: { ...stage.config.Labels, ...labels } }),
      },
      rootfs: { type: 'layers', diff_ids: stage.layers.map((layer) => layer.diffId) },
      history: stage.history,
    };
    const manifest: Manifest = {
      schemaVersion: 2,
      mediaType: MEDIA.manifest,
      config: { mediaType: MEDIA.config, ...(await images.content.putJson(config)) },
      layers: stage.layers.map(({ mediaType, digest, size }) => ({ mediaType, digest, size })),
    };
    const { digest } = await images.content.putJson(manifest);
    const image = await images.load(digest, digest);
    if (image === undefined)
      throw new BuildError('the layers of the base image are not all here: pull it again');
    return image;
  }

  #say(text: string): void {
    this.#options.onOutput(`${text.split('\n')[0]}\n`);
  }
}

/** A flag that is not held must not look as if it were. */
function refuseUnknownFlags({ name, flags, line }: Instruction): void {
  const unknown = flags.find((flag) => !FLAGS[name]?.includes(flag.name));
  if (unknown !== undefined) throw new DockerfileError(line, `${name} --${unknown.name} is not supported`);
}

function found(tree: Tree, word: string): Source[] {
  const sources = tree.find(word);
  if (sources.length === 0) throw new Error(`${word} is not there`);
  return sources;
}

function withSlash(path: string): string {
  return path.endsWith('/') ? path : `${path}/`;
}

/** A RUN with a text in it: the text alone is the script, otherwise it is what the shell reads. */
function scriptOf(text: string, heredocs: Instruction['heredocs']): string {
  const [only] = heredocs;
  if (only === undefined) return text;
  if (heredocs.length === 1 && /^<<-?(["']?)[\w.-]+\1$/.test(text.trim())) return only.content;
  return `${text}\n${heredocs.map((item) => `${item.content}${item.name}`).join('\n')}\n`;
}

async function loaded(item: NewEntry): Promise<NewEntry> {
  if (item.source === undefined) return item;
  return { entry: item.entry, content: await readFile(item.source) };
}

/** Places that had to be made for mounts are not part of what the program did. */
async function removePlaceholders(
  view: LayerView,
  upper: string,
  mounts: readonly RunMount[],
): Promise<void> {
  const targets = [
    '/proc',
    '/dev',
    '/sys',
    '/etc/hosts',
    '/etc/resolv.conf',
    ...mounts.map((mount) => mount.target),
  ];
  for (const target of targets) {
    for (let path = target.replace(/^\/+/, ''); path !== ''; path = path.split('/').slice(0, -1).join('/')) {
      if (view.lookup(path) !== undefined) break;
      const removed = await rmdir(join(upper, path)).catch(() => unlinkEmpty(join(upper, path)));
      if (removed === false) break;
    }
  }
}

async function unlinkEmpty(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(() => undefined);
  if (stats === undefined || !stats.isFile() || stats.size > 0) return false;
  await unlink(path);
  return true;
}

import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import {
  type BuiltImage,
  type FunctionImageRequest,
  type ImageMaker,
  type ImageRequest,
  plainLanguage,
  type PushTarget,
  type SourceFile,
  type StandaloneImage,
} from '../functions/index.ts';
import { OWN_HOST } from '../images/index.ts';
import type { ReadyImage } from '../node/index.ts';
import { PROGRAMS, RUNTIMES } from './function-host.ts';
import type { ImageService } from './image-service.ts';
import { readTemplate, type TemplateFile } from './image-template.ts';

interface Dependencies {
  /** What the manifest is called, and what installs what it says. */
  manifest: string;
  install: string;
}

/** How each language gets its libraries. Functions look for them beside and above their source. */
const LANGUAGES: Record<string, Dependencies> = {
  nodejs: {
    manifest: 'package.json',
    install: 'cd /function && npm install --omit=dev --no-audit --no-fund --no-update-notifier',
  },
  python3: {
    manifest: 'requirements.txt',
    install:
      'python3 -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore --target /function/lib -r /function/requirements.txt',
  },
  java: {
    manifest: 'pom.xml',
    install:
      'cd /function && mvn -q -B -Dmaven.repo.local=/tmp/m2 dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory=/function/lib && rm -rf /tmp/m2',
  },
  powershell: {
    manifest: 'requirements.psd1',
    install: 'pwsh -Command "Invoke-PSDepend -Path /function/requirements.psd1 -Install -Force"',
  },
};
/** As images of functions have always said how they are used. */
const IMAGE_TEMPLATE = { label: 'io.dispatchframework.imageTemplate', place: '/image-template' };
const FUNCTION_TEMPLATE = { label: 'io.dispatchframework.functionTemplate', place: '/function-template' };
const SYSTEM_FILE = 'system-packages.txt';
const MANIFEST_FILE = 'packages.txt';
const LOG_TAIL = 800;
const PACKAGE = /^[A-Za-z0-9][A-Za-z0-9.+_-]*$/;
const VERSION = /^[A-Za-z0-9][A-Za-z0-9.+:~_-]*$/;

export interface FunctionImagesOptions {
  dir: string;
  images: () => ImageService;
  /** How the registry of this server is called. */
  registry: () => string;
  /** Where our programs are that make functions of images. */
  runtimes: string;
  find: (name: string, namespace: string, signal: AbortSignal) => Promise<ReadyImage>;
}

/** What a build is given. */
interface Context {
  /** Name of the image below its namespace, without its tag. */
  name: string;
  namespace: string;
  /** Everything that the image is made of, for its tag. */
  parts: readonly string[];
  files: readonly TemplateFile[];
  dockerfile: string;
  buildArgs?: Record<string, string>;
  push?: PushTarget;
}

/** Makes images of functions with the builder of the platform: its layers are cached. */
export class FunctionImages implements ImageMaker {
  readonly #options: FunctionImagesOptions;
  /** What builds of a server that was killed have left behind goes before the first of this one. */
  #cleared: Promise<void> | undefined;

  constructor(options: FunctionImagesOptions) {
    this.#options = options;
  }

  withDependencies = async (request: ImageRequest, signal: AbortSignal): Promise<BuiltImage> => {
    const { namespace, manifest = '', base, packages } = request;
    const name = `function-images/${request.name}`;
    const template = await this.#template(request, IMAGE_TEMPLATE, signal);
    if (template === undefined) {
      const dockerfile = dockerfileOf(request);
      const files = [textFile(manifestName(request), manifest)];
      return this.#build({ name, namespace, parts: [dockerfile, manifest], files, dockerfile }, signal);
    }
    const system = packages.map((item) => `${[item.name, item.version ?? ''].join(' ').trim()}\n`).join('');
    const own = [textFile(SYSTEM_FILE, system), textFile(MANIFEST_FILE, manifest)];
    const buildArgs = {
      BASE_IMAGE: base,
      SYSTEM_PACKAGES_FILE: SYSTEM_FILE,
      PACKAGES_FILE: MANIFEST_FILE,
    };
    return this.#build({ name, namespace, parts: [base], ...fromTemplate(template, own), buildArgs }, signal);
  };

  byTemplate = async (
    request: FunctionImageRequest,
    signal: AbortSignal,
  ): Promise<BuiltImage | undefined> => {
    const context = await this.#byTemplate(request, signal);
    return context && this.#build(context, signal);
  };

  async #byTemplate(request: FunctionImageRequest, signal: AbortSignal): Promise<Context | undefined> {
    const { namespace, base, handler, files: source } = request;
    const name = `func-${request.name}`;
    const template = await this.#template(request, FUNCTION_TEMPLATE, signal);
    if (template === undefined) return undefined;
    const buildArgs = { IMAGE: base, ...(handler !== undefined && { HANDLER: handler }) };
    const parts = [base, handler ?? ''];
    return { name, namespace, parts, ...fromTemplate(template, source.map(sourceFile)), buildArgs };
  }

  standalone = async (
    request: FunctionImageRequest & { push?: PushTarget },
    signal: AbortSignal,
  ): Promise<StandaloneImage> => {
    const { push, name, base, language, namespace } = request;
    if (push !== undefined && !this.#options.images().mayName(push.image, namespace))
      throw new Error(`${push.image} belongs to another namespace of this server's registry.`);
    const program = PROGRAMS[plainLanguage(language)];
    const place = { name: `func-${name}`, namespace, parts: [] };
    const context = request.isHttp
      ? { ...place, files: [], dockerfile: `FROM ${base}\n` }
      : program === undefined
        ? await this.#byTemplate(request, signal)
        : await this.#ours(request, { name: `func-${name}`, program });
    if (context === undefined)
      throw new Error(
        `Functions in ${language || 'an unknown language'} are no images by themselves: ${base} has no ${FUNCTION_TEMPLATE.place} with a Dockerfile.`,
      );
    const { image, digest } = await this.#build({ ...context, ...(push && { push }) }, signal);
    // Its address on this machine is nobody's business out there.
    const own = image.replace(this.#options.registry(), OWN_HOST);
    const isForNobody = program !== undefined && !request.isHttp;
    return { image: push?.image ?? own, digest, isForNobody };
  };

  /** A function with the program that answers for it here, so that it answers the same wherever it runs. */
  async #ours(
    { namespace, base, handler, cloudEvents, files, language }: FunctionImageRequest,
    { name, program }: { name: string; program: readonly string[] },
  ): Promise<Context> {
    const inside = program.at(-1)!;
    const server = await readFile(join(this.#options.runtimes, relative(RUNTIMES, inside)));
    const env = {
      HANDLER: handler ?? '',
      HOME: '/tmp',
      PORT: '8080',
      ...(cloudEvents && { CLOUD_EVENTS: '1' }),
    };
    const dockerfile = [
      `FROM ${base}`,
      `COPY --chmod=755 server ${inside}`,
      'COPY --chmod=755 src /function/src',
      // A "$" of a handler (a class inside of another) is none of a variable.
      ...Object.entries(env).map(
        ([key, value]) => `ENV ${key}=${JSON.stringify(value).replaceAll('$', '\\$')}`,
      ),
      'WORKDIR /function/src',
      'EXPOSE 8080',
      'USER 65534',
      `ENTRYPOINT ${JSON.stringify(program)}`,
      '',
    ].join('\n');
    const own = { path: 'server', executable: false, data: server };
    const source = files.map(sourceFile).map((file) => ({ ...file, path: join('src', file.path) }));
    // Language and version are those of the base: its tag may move, and the image with it.
    return { name, namespace, parts: [language], files: [own, ...source], dockerfile };
  }

  /** What an image says of how others are made of it. */
  async #template(
    { base, namespace }: { base: string; namespace: string },
    { label, place }: { label: string; place: string },
    signal: AbortSignal,
  ): Promise<TemplateFile[] | undefined> {
    const { rootfs, config } = await this.#options.find(base, namespace, signal);
    return rootfs === '' ? undefined : readTemplate(rootfs, config.Labels?.[label] ?? place);
  }

  async #build(
    { name, namespace, parts, files, dockerfile, buildArgs, push }: Context,
    signal: AbortSignal,
  ): Promise<BuiltImage> {
    const { dir, images, registry } = this.#options;
    this.#cleared ??= rm(dir, { recursive: true, force: true });
    await this.#cleared;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const context = await mkdtemp(join(dir, 'build-'));
    let said = '';
    try {
      const hash = createHash('sha256').update(JSON.stringify([dockerfile, ...parts]));
      for (const { path, executable, data } of files) {
        hash.update(JSON.stringify([path, executable, data.length])).update(data);
        const target = join(context, path);
        await mkdir(dirname(target), { recursive: true });
        await writeFile(target, data, { mode: executable ? 0o755 : 0o644 });
      }
      const image = `${registry()}/${namespace}/${name}:${hash.digest('hex').slice(0, 12)}`;
      const say = (text: string): void => {
        said = (said + text).slice(-LOG_TAIL);
      };
      const request = {
        context,
        dockerfileText: dockerfile,
        tags: [image, ...(push === undefined ? [] : [push.image])],
        push: push !== undefined,
        ...(buildArgs && { buildArgs }),
        ...(push?.credentials !== undefined && { credentials: push.credentials }),
      };
      const built = await images().build(request, say, signal);
      return { image, digest: built.digest };
    } catch (error) {
      const tail = said.trim().split('\n').slice(-5).join(' ');
      throw new Error(
        `The image could not be built: ${(error as Error).message}${tail === '' ? '' : ` (${tail})`}`,
        { cause: error },
      );
    } finally {
      await rm(context, { recursive: true, force: true });
    }
  }
}

/** What is built is the template's; its files come over those that it is given. */
function fromTemplate(
  template: readonly TemplateFile[],
  given: readonly TemplateFile[],
): Pick<Context, 'files' | 'dockerfile'> {
  const dockerfile = template.find(({ path }) => path === 'Dockerfile')!.data.toString();
  return { files: [...given, ...template.filter(({ path }) => path !== 'Dockerfile')], dockerfile };
}

function textFile(path: string, text: string): TemplateFile {
  return { path, executable: false, data: Buffer.from(text) };
}

function sourceFile({ path, mode = 0, data }: SourceFile): TemplateFile {
  return { path, executable: (mode & 0o111) !== 0, data: Buffer.from(data, 'base64') };
}

function manifestName({ language }: ImageRequest): string {
  return dependenciesOf(language)?.manifest ?? 'manifest';
}

function dependenciesOf(language: string): Dependencies | undefined {
  return LANGUAGES[language] ?? LANGUAGES[language.replace(/\d+$/, '')];
}

function dockerfileOf(request: ImageRequest): string {
  const lines = [`FROM ${request.base}`];
  if (request.packages.length > 0) {
    const words = request.packages.map(({ name, version }) => {
      if (!PACKAGE.test(name) || (version !== undefined && version !== '' && !VERSION.test(version)))
        throw new Error(
          `${JSON.stringify(version === undefined ? name : `${name} ${version}`)} is no name of a package.`,
        );
      return version === undefined || version === '' ? name : `${name}=${version}`;
    });
    const list = words.join(' ');
    lines.push(
      `RUN if command -v apt-get >/dev/null; then apt-get update && apt-get install -y --no-install-recommends ${list}; ` +
        `elif command -v apk >/dev/null; then apk add --no-cache ${list}; ` +
        `elif command -v tdnf >/dev/null; then tdnf install -y ${words.join(' ').replaceAll('=', '-')}; ` +
        `else echo "The base image has no package manager that is known here (apt-get, apk, tdnf)." >&2; exit 1; fi`,
    );
  }
  if ((request.manifest ?? '').trim() !== '') {
    const found = dependenciesOf(request.language);
    if (found === undefined)
      throw new Error(
        `Libraries for ${request.language || 'an unknown language'} cannot be installed: set the language of the base image to nodejs, python3, java or powershell.`,
      );
    lines.push(`COPY ${found.manifest} /function/${found.manifest}`, `RUN ${found.install}`);
  }
  return `${lines.join('\n')}\n`;
}

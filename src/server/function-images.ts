import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BuildImage, ImageRequest } from '../functions/index.ts';
import type { ImageService } from './image-service.ts';

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
const LOG_TAIL = 800;
const PACKAGE = /^[A-Za-z0-9][A-Za-z0-9.+_-]*$/;
const VERSION = /^[A-Za-z0-9][A-Za-z0-9.+:~_-]*$/;

/** Builds images of functions with the builder of the platform: its layers are cached. */
export function functionImages(dir: string, images: () => ImageService, registry: () => string): BuildImage {
  return async (request, signal) => {
    const dockerfile = dockerfileOf(request);
    const { namespace, name, manifest = '' } = request;
    await mkdir(dir, { recursive: true, mode: 0o700 });
    const context = await mkdtemp(join(dir, 'build-'));
    let said = '';
    try {
      await writeFile(join(context, manifestName(request)), manifest);
      const tag = createHash('sha256').update(dockerfile).update(manifest).digest('hex').slice(0, 12);
      const image = `${registry()}/${namespace}/function-images/${name}:${tag}`;
      const say = (text: string): void => {
        said = (said + text).slice(-LOG_TAIL);
      };
      const built = await images().build({ context, dockerfileText: dockerfile, tags: [image] }, say, signal);
      return { image, digest: built.digest };
    } catch (error) {
      const tail = said.trim().split('\n').slice(-5).join(' ');
      throw new Error(
        `The image could not be built: ${(error as Error).message}${tail === '' ? '' : ` (${tail})`}`,
        {
          cause: error,
        },
      );
    } finally {
      await rm(context, { recursive: true, force: true });
    }
  };
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

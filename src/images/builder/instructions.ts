import type { ContainerConfig } from '../manifest.ts';
import { splitWords } from './dockerfile/expand.ts';
import { DockerfileError, execForm, type Instruction } from './dockerfile/parse.ts';
import type { Stage } from './stage.ts';

type Apply = (
  stage: Stage,
  instruction: Instruction,
  context: { buildArgs: Record<string, string>; globals: Record<string, string> },
) => void;

/** Instructions that change the configuration and nothing else. */
export const CONFIGURE: Record<string, Apply> = {
  ENV: (stage, { text }) => {
    for (const [name, value] of pairs(stage, text)) stage.setEnv(name, value);
  },
  LABEL: (stage, { text }) => {
    stage.config.Labels = { ...stage.config.Labels, ...Object.fromEntries(pairs(stage, text)) };
  },
  ARG: (stage, { text }, { buildArgs, globals }) => {
    for (const word of splitKeeping(text)) {
      const at = word.indexOf('=');
      const name = at < 0 ? word : word.slice(0, at);
      const given = Object.hasOwn(buildArgs, name) ? buildArgs[name] : undefined;
      const value =
        given ??
        (at < 0 ? globals[name] : splitWords(stage.expand(word.slice(at + 1)), stage.escape).join(' '));
      if (value !== undefined) stage.args[name] = value;
    }
  },
  MAINTAINER: (stage, { text }) => {
    stage.config.Labels = { ...stage.config.Labels, maintainer: text };
  },
  EXPOSE: (stage, { text }) => {
    for (const word of splitWords(stage.expand(text), stage.escape)) {
      const [port = '', protocol = 'tcp'] = word.split('/');
      stage.config.ExposedPorts = { ...stage.config.ExposedPorts, [`${port}/${protocol.toLowerCase()}`]: {} };
    }
  },
  VOLUME: (stage, { text }) => {
    for (const path of execForm(text) ?? splitWords(stage.expand(text), stage.escape))
      stage.config.Volumes = { ...stage.config.Volumes, [stage.expand(path)]: {} };
  },
  USER: (stage, { text }) => {
    stage.config.User = stage.expand(text);
  },
  STOPSIGNAL: (stage, { text }) => {
    stage.config.StopSignal = stage.expand(text);
  },
  SHELL: (stage, { text, line }) => {
    const words = execForm(text);
    if (words === undefined || words.length === 0)
      throw new DockerfileError(line, 'SHELL takes a list in the form of JSON');
    stage.shell = words;
    stage.config.Shell = words;
  },
  CMD: (stage, { text }) => {
    stage.config.Cmd = commandOf(stage, text);
    stage.hasCommand = true;
  },
  ENTRYPOINT: (stage, { text }) => {
    stage.config.Entrypoint = commandOf(stage, text);
    // The command of the base belongs to the entry point of the base.
    if (!stage.hasCommand && stage.inheritedCommand) delete stage.config.Cmd;
  },
  HEALTHCHECK: (stage, instruction) => {
    stage.config.Healthcheck = healthcheck(stage, instruction);
  },
  ONBUILD: (stage, { text, line }) => {
    if (/^\s*(ONBUILD|FROM|MAINTAINER)\b/i.test(text))
      throw new DockerfileError(line, `ONBUILD cannot hold ${text.split(/\s/)[0]}`);
    stage.config.OnBuild = [...(stage.config.OnBuild ?? []), text];
  },
};

function commandOf(stage: Stage, text: string): string[] {
  return execForm(text) ?? (text === '' ? [] : [...stage.shell, text]);
}

/** "name=value name2=value2", or the old form "name everything else". */
function pairs(stage: Stage, text: string): [string, string][] {
  const words = splitKeeping(text);
  if (!words[0]?.includes('=')) {
    const [name = '', ...rest] = text.split(/\s+/);
    return [[stage.expand(name), splitWords(stage.expand(rest.join(' ')), stage.escape).join(' ')]];
  }
  return words.map((word) => {
    const at = word.indexOf('=');
    if (at <= 0) throw new Error(`${JSON.stringify(word)} is not in the form of name=value`);
    const value = splitWords(stage.expand(word.slice(at + 1)), stage.escape);
    return [splitWords(word.slice(0, at)).join(''), value.join(' ')];
  });
}

/** Words with their quotes, so that values can be filled in before the quotes go. */
function splitKeeping(text: string): string[] {
  return text.match(/(?:[^\s"'\\]|\\[\s\S]|"(?:[^"\\]|\\[\s\S])*"|'[^']*')+/g) ?? [];
}

function healthcheck(
  stage: Stage,
  { text, flags, line }: Instruction,
): NonNullable<ContainerConfig['Healthcheck']> {
  if (text.toUpperCase() === 'NONE') return { Test: ['NONE'] };
  const match = /^CMD\s+([\s\S]+)$/i.exec(text);
  if (match === null) throw new DockerfileError(line, 'HEALTHCHECK takes NONE, or CMD and a command');
  const words = execForm(match[1]!);
  const result: Record<string, unknown> = {
    Test: words === undefined ? ['CMD-SHELL', stage.expand(match[1]!)] : ['CMD', ...words],
  };
  const names: Record<string, string> = {
    interval: 'Interval',
    timeout: 'Timeout',
    'start-period': 'StartPeriod',
    'start-interval': 'StartInterval',
  };
  for (const { name, value } of flags) {
    if (name === 'retries') result['Retries'] = Number(value);
    else if (names[name] !== undefined) result[names[name]] = nanoseconds(value, line);
    else throw new DockerfileError(line, `HEALTHCHECK has no flag --${name}`);
  }
  return result;
}

function nanoseconds(text: string, line: number): number {
  const units: Record<string, number> = { h: 3.6e12, m: 6e10, s: 1e9, ms: 1e6 };
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  if (parts.length === 0) throw new DockerfileError(line, `${JSON.stringify(text)} is no length of time`);
  return parts.reduce((sum, part) => sum + Number(part[1]) * units[part[2]!]!, 0);
}

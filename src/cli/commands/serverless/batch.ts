import { isAbsolute, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { type KubeClient, type KubeObject, isRecord } from '../../../kube/index.ts';
import { UserError } from '../../../server/index.ts';
import type { Environment } from '../../environment.ts';
import { readInput } from '../../input.ts';
import type { CliKind, Making } from './cli-kind.ts';
import type { Flat } from './flat.ts';
import { kindOfDocument } from './kinds.ts';
import { download } from './source-files.ts';

export interface BatchFlags {
  file?: string;
  workDir?: string;
  /** What is in the file, where that is known already. */
  content?: string;
}

export interface BatchItem {
  kind: CliKind;
  name: string;
  object: KubeObject;
}

const MAX_DOCUMENTS = 5000;

/** One document after another: what goes wrong with one is said, and does not hold up the others. */
export async function runBatch(
  environment: Environment,
  flags: BatchFlags,
  { client, namespace }: { client: KubeClient; namespace: string },
  work: (item: BatchItem) => Promise<string>,
): Promise<void> {
  const file = flags.file ?? '';
  const isUrl = /^https?:\/\//.test(file);
  const content =
    flags.content ?? (isUrl ? await download(file) : await readInput(environment, file)).toString();
  const workDir = flags.workDir ?? environment.cwd;
  const base = isUrl ? file : isAbsolute(workDir) ? workDir : resolve(environment.cwd, workDir);
  const making: Making = { base, client, namespace };
  let failed = 0;
  for (const document of documentsOf(content, file)) {
    try {
      if (document instanceof Error) throw document;
      const item = await itemOf(document, making);
      environment.stdout.write(`${await work(item)}\n`);
    } catch (error) {
      failed += 1;
      environment.stderr.write(`Error: ${(error as Error).message}\n`);
    }
  }
  if (failed > 0)
    throw new UserError(`${failed} of the documents of ${file} failed: see above, mend them, and try again.`);
}

/** The objects of a document: of the old, flat form, or as Kubernetes writes them. */
export async function itemOf(document: Flat, making: Making): Promise<BatchItem> {
  const word = document['kind'];
  if (typeof word !== 'string' || word === '')
    throw new UserError('A document has no kind: give each of them one.');
  const kind = kindOfDocument(word);
  if (kind === undefined)
    throw new UserError(`The kind ${word} is not known here: see "dispatch create --help".`);
  if (typeof document['apiVersion'] === 'string' && isRecord(document['metadata'])) {
    const object = document as unknown as KubeObject;
    object.metadata.namespace ??= making.namespace;
    return { kind, name: object.metadata.name ?? '', object };
  }
  const object = await kind.make(document, making);
  return { kind, name: object.metadata.name ?? '', object };
}

function documentsOf(content: string, file: string): (Flat | Error)[] {
  const documents = parseAllDocuments(content, { maxAliasCount: 100 } as never);
  if (documents.length > MAX_DOCUMENTS)
    throw new UserError(`${file} has more than ${MAX_DOCUMENTS} documents.`);
  return (documents as { errors: Error[]; toJS: (options: object) => unknown }[]).flatMap((document) => {
    const [problem] = document.errors;
    if (problem !== undefined)
      return [new UserError(`${file} is no YAML: ${problem.message.split('\n')[0]}`)];
    try {
      const value = document.toJS({ maxAliasCount: 100 });
      if (value === null || value === undefined) return [];
      return [isRecord(value) ? value : new UserError(`A document of ${file} is no object.`)];
    } catch (error) {
      return [new UserError(`${file} cannot be read: ${(error as Error).message}`)];
    }
  });
}

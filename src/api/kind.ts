import type { Static, TObject, TSchema } from 'typebox';
import Value from 'typebox/value';

export interface PrinterColumn {
  name: string;
  type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  jsonPath: string;
  priority?: number;
}

export interface KindOptions<Spec extends TSchema, Status extends TSchema> {
  kind: string;
  plural: string;
  shortNames?: string[];
  categories?: string[];
  description: string;
  spec: Spec;
  status: Status;
  columns: PrinterColumn[];
}

/** One of our kinds. Its type, defaults, validation and definition all come from the same two schemas. */
export interface Kind<Spec extends TSchema = TSchema, Status extends TSchema = TSchema>
  extends KindOptions<Spec, Status> {
  group: string;
  version: string;
}

export interface CustomObject<K extends Kind> {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
  spec: Static<K['spec']>;
  status?: Static<K['status']>;
}

export const GROUP = 'dispatch.dev';
export const VERSION = 'v1alpha1';

export function defineKind<Spec extends TObject, Status extends TObject>(
  options: KindOptions<Spec, Status>,
): Kind<Spec, Status> {
  return { ...options, group: GROUP, version: VERSION };
}

export interface SpecProblem {
  /** Path as the API writes it: `spec.dispatchfile.path`. */
  field: string;
  message: string;
}

/** The spec with every default in place. The argument stays as it is. */
export function withDefaults<K extends Kind>(kind: K, spec: unknown): unknown {
  return Value.Default(kind.spec, structuredClone(spec));
}

/** Every problem of a spec, each with its field. */
export function validateSpec(kind: Kind, spec: unknown): SpecProblem[] {
  return [...Value.Errors(kind.spec, spec)].map((error) => ({
    field: `spec${error.instancePath.replaceAll(/\/(\d+)(?=\/|$)/g, '[$1]').replaceAll('/', '.')}`,
    message: error.message,
  }));
}

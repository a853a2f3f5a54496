import { nearest } from './nearest.ts';
import { formatPath, type Path, type PlaceOf, type Problem } from './problem.ts';
import { fieldsOf, TYPES } from './schema.ts';

/** Everything in a value that does not have the type that it should have. Unknown fields are collected aside. */
export function checkShape(value: unknown, placeOf: PlaceOf): { problems: Problem[]; unknown: Problem[] } {
  const checker = new ShapeChecker(placeOf);
  checker.check(value, 'Pipeline', []);
  return checker;
}

class ShapeChecker {
  readonly problems: Problem[] = [];
  readonly unknown: Problem[] = [];
  readonly #placeOf: PlaceOf;

  constructor(placeOf: PlaceOf) {
    this.#placeOf = placeOf;
  }

  check(value: unknown, type: string, path: Path): void {
    // An absent value is none, in every language.
    if (value === undefined || value === null) return;
    if (type.startsWith('[')) this.#list(value, type.slice(1, -1), path);
    else if (type.startsWith('{')) this.#map(value, type.slice(1, -1), path);
    else if (Object.hasOwn(TYPES, type)) this.#object(value, type, path);
    else if (!isValue(value, type)) this.#wrong(value, nameOf(type), path);
  }

  #list(value: unknown, item: string, path: Path): void {
    if (!Array.isArray(value)) {
      this.#wrong(value, 'a list', path);
      return;
    }
    for (const [at, element] of value.entries()) {
      if (element === null) this.#wrong(element, nameOf(item), [...path, at]);
      else this.check(element, item, [...path, at]);
    }
  }

  #map(value: unknown, item: string, path: Path): void {
    if (!isObject(value)) this.#wrong(value, 'a map', path);
    else for (const [key, element] of Object.entries(value)) this.check(element, item, [...path, key]);
  }

  #object(value: unknown, type: string, path: Path): void {
    if (!isObject(value)) {
      this.#wrong(value, 'an object', path);
      return;
    }
    const fields = fieldsOf(type);
    for (const [key, element] of Object.entries(value)) {
      const field = Object.hasOwn(fields, key) ? fields[key] : undefined;
      if (field !== undefined) {
        this.check(element, field, [...path, key]);
        continue;
      }
      const meant = nearest(key, Object.keys(fields));
      this.unknown.push({
        message: `${formatPath([...path, key])} is not known${meant === undefined ? '' : `: did you mean ${meant}?`}`,
        place: this.#placeOf([...path, key]),
      });
    }
  }

  #wrong(value: unknown, wanted: string, path: Path): void {
    this.problems.push({
      message: `${formatPath(path) || 'the file'} must be ${wanted}, not ${shown(value)}`,
      place: this.#placeOf(path),
    });
  }
}

function isValue(value: unknown, type: string): boolean {
  switch (type) {
    case 'string':
      return typeof value === 'string';
    case 'int':
      return Number.isSafeInteger(value);
    case 'bool':
      return typeof value === 'boolean';
    case 'quantity':
    case 'intOrString':
      return typeof value === 'string' || typeof value === 'number';
    default:
      return true;
  }
}

function nameOf(type: string): string {
  const names: Record<string, string> = {
    string: 'a string',
    int: 'a whole number',
    bool: 'true or false',
    quantity: 'a quantity',
  };
  return names[type] ?? (type.startsWith('[') ? 'a list' : 'an object');
}

function shown(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : JSON.stringify(value);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

import type { Position } from './position.ts';

export type BinaryOperator =
  | '+'
  | '-'
  | '*'
  | '/'
  | '//'
  | '%'
  | '&'
  | '|'
  | '^'
  | '<<'
  | '>>'
  | '=='
  | '!='
  | '<'
  | '>'
  | '<='
  | '>='
  | 'in'
  | 'not in';

export interface Argument {
  kind: 'positional' | 'named' | 'args' | 'kwargs';
  name?: string;
  value: Expression;
}

export interface Parameter {
  kind: 'plain' | 'args' | 'kwargs' | 'separator';
  name: string;
  position: Position;
  default?: Expression;
}

export type Clause =
  | { kind: 'for'; target: Expression; iterable: Expression; position: Position }
  | { kind: 'if'; test: Expression };

interface Node {
  position: Position;
}

export type Expression = Node &
  (
    | { kind: 'name'; name: string }
    | { kind: 'literal'; value: string | bigint | { float: number } | { bytes: Uint8Array } }
    | { kind: 'list' | 'tuple'; items: Expression[] }
    | { kind: 'dict'; entries: { key: Expression; value: Expression }[] }
    | { kind: 'comprehension'; of: 'list' | 'dict'; key?: Expression; body: Expression; clauses: Clause[] }
    | { kind: 'unary'; operator: '+' | '-' | '~' | 'not'; operand: Expression }
    | { kind: 'binary'; operator: BinaryOperator; left: Expression; right: Expression }
    | { kind: 'and' | 'or'; left: Expression; right: Expression }
    | { kind: 'conditional'; test: Expression; then: Expression; otherwise: Expression }
    | { kind: 'call'; callee: Expression; args: Argument[] }
    | { kind: 'attribute'; object: Expression; name: string }
    | { kind: 'index'; object: Expression; index: Expression }
    | { kind: 'slice'; object: Expression; start?: Expression; stop?: Expression; step?: Expression }
    | { kind: 'lambda'; parameters: Parameter[]; body: Expression }
  );

export type Statement = Node &
  (
    | { kind: 'expression'; value: Expression }
    | { kind: 'assign'; target: Expression; value: Expression }
    | { kind: 'augment'; operator: BinaryOperator; target: Expression; value: Expression }
    | { kind: 'if'; test: Expression; then: Statement[]; otherwise: Statement[] }
    | { kind: 'for'; target: Expression; iterable: Expression; body: Statement[] }
    | { kind: 'def'; name: string; parameters: Parameter[]; body: Statement[]; doc: string | undefined }
    | { kind: 'return'; value: Expression | undefined }
    | { kind: 'break' | 'continue' | 'pass' }
    | { kind: 'load'; module: string; names: { local: string; remote: string; position: Position }[] }
  );

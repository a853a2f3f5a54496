import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { JSON_MODULE, repr, runProgram, STRUCT, StarlarkError, Thread, type Value } from './index.ts';

function run(text: string, limits = {}): Map<string, Value> {
  return runProgram(text, {
    file: 'test.star',
    predeclared: new Map<string, Value>([
      ['json', JSON_MODULE],
      ['struct', STRUCT],
    ]),
    thread: new Thread({ limits }),
    load: () => new Map(),
  });
}

/** The value of an expression, as code. */
function value(expression: string): string {
  return repr(run(`x = ${expression}\n`).get('x')!);
}

function failure(text: string): string {
  try {
    run(text);
  } catch (error) {
    assert.ok(error instanceof StarlarkError, String(error));
    return error.message;
  }
  return assert.fail(`${text} does not fail`);
}

function table(name: string, rows: readonly (readonly [string, string])[]): void {
  test(name, () => {
    for (const [expression, expected] of rows) assert.equal(value(expression), expected, expression);
  });
}

table('lexical elements', [
  ['0x1F + 0o17 + 0b101', '51'],
  ['1.5e2', '150.0'],
  [String.raw`"a\tb\x41\u00e9"`, '"a\\tbAé"'],
  [String.raw`r"\n"`, '"\\\\n"'],
  [`'''a\nb'''`, '"a\\nb"'],
  ['len(b"\\xff\\x00")', '2'],
  ['12345678901234567890 * 98765432109876543210', '1219326311370217952237463801111263526900'],
]);

table('numbers', [
  ['7 // 2, -7 // 2, 7 % -2, -7 % 2', '(3, -4, -1, 1)'],
  ['7 / 2', '3.5'],
  ['1 << 10 | 3 & ~1 ^ 8', '1034'],
  ['-5 >> 1', '-3'],
  ['2.5 // 1, 5.5 % 2', '(2.0, 1.5)'],
  ['1 == 1.0, 1 < 1.5, 10000000000000000000 > 1e18', '(True, True, True)'],
  ['int("ff", 16), int("0x10", 0), int(3.9), int(-3.9), int("-7")', '(255, 16, 3, -3, -7)'],
  ['float("1e3"), float(3), str(float("inf"))', '(1000.0, 3.0, "+inf")'],
  ['abs(-3), abs(-2.5)', '(3, 2.5)'],
  ['{1: "a"}[1.0]', '"a"'],
]);

table('strings', [
  ['"abc"[1], "abc"[-1], "abcdef"[1:5:2], "abc"[::-1]', '("b", "c", "bd", "cba")'],
  [
    '"a,b,c".split(","), "a b  c".split(), "a,b,c".rsplit(",", 1)',
    '(["a", "b", "c"], ["a", "b", "c"], ["a,b", "c"])',
  ],
  ['"-".join(["a", "b"]), "ab" * 2, "x" in "axb"', '("a-b", "abab", True)'],
  ['"  a ".strip(), "xxaxx".lstrip("x"), "xxaxx".rstrip("x")', '("a", "axx", "xxa")'],
  ['"{} {name} {{}}".format(1, name = "n")', '"1 n {}"'],
  ['"{1} {0!r}".format("a", 2)', String.raw`"2 \"a\""`],
  ['"%s %d %x %r %%" % ("a", 10, 255, "q")', String.raw`"a 10 ff \"q\" %"`],
  ['"%(a)s" % {"a": 1}', '"1"'],
  ['"aXbX".replace("X", "-", 1), "abc".find("c"), "abc".rfind("z")', '("a-bX", 2, -1)'],
  ['"a=b=c".partition("="), "a=b=c".rpartition("=")', '(("a", "=", "b=c"), ("a=b", "=", "c"))'],
  [
    '"hello world".title(), "Hello".upper(), "ABC".lower(), "hello".capitalize()',
    '("Hello World", "HELLO", "abc", "Hello")',
  ],
  ['"abc".startswith(("x", "a")), "abc".endswith("bc")', '(True, True)'],
  ['"a\\nb\\n".splitlines(), "a\\nb".splitlines(True)', '(["a", "b"], ["a\\n", "b"])'],
  ['len("é"), list("ab".elems()), [ord("a"), chr(233)]', '(2, ["a", "b"], [97, "é"])'],
  [
    '"abc".removeprefix("a"), "abc".removesuffix("c"), "a1".isalnum(), "12".isdigit()',
    '("bc", "ab", True, True)',
  ],
  ['hash("abc")', '96354'],
]);

table('lists, tuples, dicts and sets', [
  ['[1, 2] + [3], (1,) + (2,), [0] * 2', '([1, 2, 3], (1, 2), [0, 0])'],
  ['[x * y for x in range(3) if x for y in [1, 2]]', '[1, 2, 2, 4]'],
  ['{k: v for k, v in [("a", 1), ("b", 2)]}', '{"a": 1, "b": 2}'],
  ['dict([("a", 1)], b = 2).items()', '[("a", 1), ("b", 2)]'],
  ['{"a": 1} | {"b": 2}, {"a": 1}.get("z", 0), "a" in {"a": 1}', '({"a": 1, "b": 2}, 0, True)'],
  ['sorted([3, 1, 2], reverse = True), sorted(["bb", "a"], key = len)', '([3, 2, 1], ["a", "bb"])'],
  ['list(range(10, 0, -3)), range(5)[-1], 3 in range(0, 9, 3)', '([10, 7, 4, 1], 4, True)'],
  ['list(zip([1, 2], ["a", "b"])), list(enumerate(["a"], 1))', '([(1, "a"), (2, "b")], [(1, "a")])'],
  [
    'any([0, 1]), all([]), min([2, 1]), max(1, 3, 2), max(["a", "bbb"], key = len)',
    '(True, True, 1, 3, "bbb")',
  ],
  ['list(set([1, 2, 1]) | set([3])), set([1]) == set([1]), len(set())', '([1, 2, 3], True, 0)'],
  ['[1, 2] < [1, 3], (1, 2) == (1, 2), [1] == (1,)', '(True, True, False)'],
  ['list(reversed([1, 2])), type([]), type(None), bool([])', '([2, 1], "list", "NoneType", False)'],
  ['struct(b = 1, a = "x")', 'struct(a = "x", b = 1)'],
  [
    'json.encode({"a": [1, 2.5, None, True]}), json.decode("[1, 2.0]")',
    String.raw`("{\"a\":[1,2.5,null,true]}", [1, 2.0])`,
  ],
]);

test('functions: defaults, *args, **kwargs, keyword-only, closures, lambda', () => {
  const globals = run(`
def f(a, b = 2, *args, c, d = 4, **kwargs):
    return [a, b, args, c, d, kwargs]
x = f(1, c = 3)
y = f(*[1, 2, 3], **{"c": 5, "z": 6})
def counter():
    count = [0]
    def next():
        count[0] += 1
        return count[0]
    return next
n = counter()
z = [n(), n(), (lambda q, r = 1: q + r)(1)]
def early(items):
    for item in items:
        if item == 2:
            continue
        if item == 4:
            break
        if item == 3:
            return item
    return None
w = early([1, 2, 3, 4])
`);
  assert.equal(repr(globals.get('x')!), '[1, 2, (), 3, 4, {}]');
  assert.equal(repr(globals.get('y')!), '[1, 2, (3,), 5, 4, {"z": 6}]');
  assert.equal(repr(globals.get('z')!), '[1, 2, 2]');
  assert.equal(repr(globals.get('w')!), '3');
});

test('what the dialect forbids is refused, with a reason', () => {
  for (const [text, expected] of [
    ['x = 1\nx = 2\n', /cannot reassign global x/],
    ['for x in []:\n  pass\n', /not within a function/],
    ['if True:\n  pass\n', /not within a function/],
    ['def f():\n  while True:\n    pass\n', /while/],
    ['def f(n):\n  return f(n)\nf(1)\n', /called recursively/],
    ['x = undefined_name\n', /undefined: undefined_name/],
    ['def f(): pass\nf(1)\n', /accepts no arguments/],
    ['def f(a): pass\nf()\n', /missing 1 argument/],
    ['def f(a): pass\nf(b = 1, a = 1)\n', /unexpected keyword argument "b"/],
    ['x = 1 + "a"\n', /unknown binary op: int \+ string/],
    ['x = [1][3]\n', /out of range/],
    ['x = {}["k"]\n', /not in dict/],
    ['x = {[]: 1}\n', /unhashable/],
    ['x = {"a": 1, "a": 2}\n', /duplicate key/],
    ['x = 1 // 0\n', /division by zero/],
    ['def f():\n  x = [1]\n  for i in x:\n    x.append(i)\nf()\n', /during iteration/],
    ['x = "a" < 1\n', /unknown comparison/],
    ['fail("broken", 1)\n', /fail: broken 1/],
    ['x = "abc".foo\n', /no \.foo field or method/],
    ['return 1\n', /return statement not within a function/],
    ['x = (1 < 2 < 3)\n', /does not associate/],
    ['a, b = [1, 2, 3]\n', /too many values to unpack/],
    ['x = "a" "b"\n', /want a new line/],
    ['import os\n', /reserved/],
    ['def f(x):\n  y = z\n  z = 1\nf(1)\n', /local variable z referenced before assignment/],
  ] as const)
    assert.match(failure(text), expected, text);
});

test('an error names file, line, column and the calls that led to it', () => {
  try {
    run('def inner():\n    return 1 // 0\n\ndef outer():\n    return inner()\n\nouter()\n');
    assert.fail('it does not fail');
  } catch (error) {
    assert.ok(error instanceof StarlarkError);
    assert.deepEqual(error.position, { file: 'test.star', line: 2, column: 14 });
    assert.match(
      error.backtrace,
      /test\.star:7:6: in <toplevel>[\s\S]*test\.star:5:17: in outer[\s\S]*test\.star:2:14: in inner/,
    );
  }
});

test('steps, memory and depth are bounded', () => {
  assert.match(
    failureWith('def f():\n  for i in range(1000000000):\n    pass\nf()\n', { steps: 10_000 }),
    /more than 10000 steps/,
  );
  assert.match(
    failureWith('def f():\n  x = ["a"]\n  for i in range(100):\n    x = x + x\nf()\n', { bytes: 1_000_000 }),
    /more memory/,
  );
  assert.match(failureWith('x = "a" * 10000000000\n', { bytes: 1_000_000 }), /more memory/);
  assert.match(failure(`x = ${'['.repeat(5000)}${']'.repeat(5000)}\n`), /nested too deeply/);
  assert.match(
    failure(
      `${Array.from({ length: 300 }, (_, at) => `def f${at}(): return ${at === 0 ? '1' : `f${at - 1}()`}\n`).join('')}f299()\n`,
    ),
    /too many calls/,
  );
});

function failureWith(text: string, limits: object): string {
  try {
    run(text, limits);
  } catch (error) {
    return (error as Error).message;
  }
  return assert.fail('it does not fail');
}

test('what a module has made is frozen for those who load it', () => {
  const library = run('items = [1]\n');
  assert.throws(
    () =>
      runProgram('load("lib", "items")\nitems.append(2)\n', {
        file: 'main.star',
        predeclared: new Map(),
        thread: new Thread(),
        load: () => library,
      }),
    /cannot append to frozen list/,
  );
});

test('no program hangs or crashes the interpreter', () => {
  const piece = fc.constantFrom(
    'x',
    'y',
    'f',
    '1',
    '2.5',
    '"a"',
    '[',
    ']',
    '(',
    ')',
    '{',
    '}',
    ':',
    ',',
    '=',
    '==',
    '+',
    '-',
    '*',
    '//',
    '%',
    '|',
    '<<',
    '.',
    'in',
    'not',
    'and',
    'or',
    'if',
    'else',
    'for',
    'def',
    'return',
    'lambda',
    'pass',
    'break',
    '\n',
    '\n  ',
    '\n    ',
    ' ',
    'None',
    'True',
    'range(9)',
    'len',
    'sorted',
    '.append',
    '.format',
    '**',
    '*',
    "'",
    '#',
    '\\',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
      try {
        run(pieces.join(' '), { steps: 20_000, bytes: 10_000_000 });
      } catch (error) {
        assert.ok(error instanceof StarlarkError, `${pieces.join(' ')}: ${String(error)}`);
      }
    }),
    { numRuns: 10_000 },
  );
});

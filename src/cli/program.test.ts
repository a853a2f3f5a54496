import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Command } from 'commander';
import { ROOMS } from './commands/index.ts';
import { allCommands, createProgram } from './program.ts';
import { commandOf, ownArguments, VALUE_FLAGS } from './words.ts';

const ENVIRONMENT = {
  argv: [],
  env: {},
  cwd: '/',
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
};

function shapeOf(command: Command): string[] {
  return [command, ...allCommands(command)].map(
    (item) => `${item.name()} ${item.aliases()} ${item.options.map(({ flags }) => flags).join()}`,
  );
}

function namesOf(program: Command): string[] {
  return program.commands.flatMap((command) => [command.name(), ...command.aliases()]);
}

suite('the command line', () => {
  test('a command alone is what it is among all others', async () => {
    const whole = await createProgram(ENVIRONMENT, undefined);
    const find = (program: Command, word: string): Command | undefined =>
      program.commands.find((item) => item.name() === word || item.aliases().includes(word));
    for (const word of namesOf(whole)) {
      const alone = await createProgram(ENVIRONMENT, word);
      assert.deepEqual(shapeOf(find(alone, word)!), shapeOf(find(whole, word)!), word);
    }
    assert.deepEqual([...new Set(ROOMS.flatMap(({ words }) => words))].sort(), namesOf(whole).sort());
    assert.deepEqual(namesOf(await createProgram(ENVIRONMENT, 'no-such-command')), namesOf(whole));
  });

  test('a value of a flag is not taken for the command', async () => {
    const { options } = await createProgram(ENVIRONMENT, 'version');
    const withValue = options.filter(({ required }) => required);
    assert.deepEqual(
      withValue
        .flatMap(({ short, long }) => [short, long])
        .filter((flag) => flag !== undefined)
        .sort(),
      [...VALUE_FLAGS].sort(),
    );
    const of = (...words: string[]): string | undefined => commandOf(['node', 'dispatch', ...words]);
    assert.equal(of('-n', 'git', 'get', 'functions'), 'get');
    assert.equal(of('--namespace=git', '--insecure', 'status', '-o', 'json'), 'status');
    assert.equal(of('--help'), undefined);
    assert.equal(of('-n'), undefined);
  });

  test('what follows the name of another program belongs to that', () => {
    const own = (...words: string[]): string[] => ownArguments(['node', 'dispatch', ...words]).slice(2);
    assert.deepEqual(own('-n', 'kubectl', 'kubectl', 'get', '-n', 'x'), ['-n', 'kubectl', 'kubectl']);
    assert.deepEqual(own('get', 'kubectl', '-o', 'json'), ['get', 'kubectl', '-o', 'json']);
  });
});

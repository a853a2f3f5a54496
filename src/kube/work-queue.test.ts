import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type QueueClock, WorkQueue } from './work-queue.ts';

/** Time that passes when the test says so. */
class FakeClock implements QueueClock {
  #now = 0;
  #timers: { at: number; callback: () => void }[] = [];

  now = (): number => this.#now;

  schedule = (ms: number, callback: () => void): (() => void) => {
    const timer = { at: this.#now + ms, callback };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  pass(ms: number): void {
    this.#now += ms;
    const due = this.#timers.filter((timer) => timer.at <= this.#now);
    this.#timers = this.#timers.filter((timer) => timer.at > this.#now);
    for (const { callback } of due) callback();
  }
}

test('an item waits once, and comes again when it was added while being worked on', async () => {
  const queue = new WorkQueue();
  queue.add('a');
  queue.add('a');
  queue.add('b');
  assert.equal(queue.metrics.depth, 2);
  assert.equal(await queue.take(), 'a');
  queue.add('a');
  assert.equal(await queue.take(), 'b');
  assert.equal(queue.metrics.depth, 0);
  queue.done('a');
  assert.equal(await queue.take(), 'a');
});

test('pauses after failures grow to a limit, and success starts over', async () => {
  const clock = new FakeClock();
  const queue = new WorkQueue(clock, { baseMs: 10, maxMs: 35 });
  const pauses: number[] = [];
  for (let round = 0; round < 4; round++) {
    queue.retry('a');
    let waited = 0;
    while (queue.metrics.depth === 0) {
      clock.pass(5);
      waited += 5;
    }
    pauses.push(waited);
    queue.done((await queue.take()) ?? '');
  }
  assert.deepEqual(pauses, [10, 20, 35, 35]);
  queue.forget('a');
  queue.retry('a');
  clock.pass(10);
  assert.equal(queue.metrics.depth, 1);
});

test('of several delays the earliest counts, and an immediate add cancels them', async () => {
  const clock = new FakeClock();
  const queue = new WorkQueue(clock);
  queue.addAfter('a', 100);
  queue.addAfter('a', 50);
  queue.addAfter('a', 80);
  clock.pass(50);
  assert.equal(await queue.take(), 'a');
  queue.done('a');
  clock.pass(200);
  assert.equal(queue.metrics.depth, 0);
  queue.addAfter('b', 50);
  queue.add('b');
  assert.equal(await queue.take(), 'b');
  queue.done('b');
  clock.pass(100);
  assert.equal(queue.metrics.depth, 0);
});

test('a closed queue lets its workers go', async () => {
  const queue = new WorkQueue();
  const waiting = queue.take();
  queue.close();
  assert.equal(await waiting, undefined);
  queue.add('late');
  assert.equal(await queue.take(), undefined);
});

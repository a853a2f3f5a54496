/** The keeper's program. Its first line of input says what it is to be; it answers when it listens. */
import { Keeper, type KeeperOptions } from './keeper.ts';

const input: Buffer[] = [];
for await (const chunk of process.stdin) {
  input.push(chunk as Buffer);
  if ((chunk as Buffer).includes(10)) break;
}
const options = JSON.parse(Buffer.concat(input).toString()) as Omit<KeeperOptions, 'onEnd'>;
const keeper = new Keeper({ ...options, onEnd: () => process.exit(0) });
// Terminals and shells that go away must not take the pods along.
for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM'] as const) process.on(signal, () => {});
await keeper.start();
process.stdout.write('ready\n');

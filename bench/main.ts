import { benchApiServer } from './apiserver/bench.ts';
import { benchBuild } from './build/bench.ts';
import { benchCi } from './ci/bench.ts';
import { benchCli } from './cli/bench.ts';
import { benchEvents } from './events/bench.ts';
import { benchFunctions } from './functions/bench.ts';
import { benchGateway } from './gateway/bench.ts';
import { benchGitops } from './gitops/bench.ts';
import { benchPods } from './pods/bench.ts';
import { benchRender } from './render/bench.ts';

/** `npm run bench -- NAME [ROW…] [--json]`: prints the measures of one room. */
const BENCHES: Record<string, (rows: readonly string[]) => Promise<Row[]>> = {
  apiserver: benchApiServer,
  build: benchBuild,
  ci: benchCi,
  cli: benchCli,
  events: benchEvents,
  functions: benchFunctions,
  gateway: benchGateway,
  gitops: benchGitops,
  pods: benchPods,
  render: benchRender,
};

export interface Row {
  name: string;
  value: number;
  unit: string;
  /** What the peer reaches, and what is to be reached. */
  peer: string;
  goal: string;
}

const [name = '', ...rest] = process.argv.slice(2);
const bench = BENCHES[name];
if (bench === undefined) {
  console.error(`Name a benchmark: ${Object.keys(BENCHES).join(', ')}.`);
  process.exit(2);
}
const rows = await bench(rest.filter((word) => !word.startsWith('--')));
if (rest.includes('--json')) console.log(JSON.stringify(rows, undefined, 2));
else {
  console.log('| measure | here | peer | to reach |\n|---|---|---|---|');
  for (const { name: row, value, unit, peer, goal } of rows)
    console.log(`| ${row} | ${round(value)} ${unit} | ${peer} | ${goal} |`);
}

function round(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(value >= 10 ? 1 : 2);
}

import type { Route, RouteMetrics } from '../config.ts';

const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

interface Counts {
  route: Route;
  statuses: number[];
  buckets: number[];
  count: number;
  seconds: number;
}

/** How often and how quickly each route has answered. */
export class Metrics {
  readonly #counts = new Map<string, Counts>();

  observe(route: Route, status: number, seconds: number): void {
    const key = `${route.owner} ${route.host} ${route.match.path.value}`;
    let counts = this.#counts.get(key);
    if (counts === undefined) {
      counts = {
        route,
        statuses: [0, 0, 0, 0, 0, 0],
        buckets: new Array<number>(BOUNDS.length).fill(0),
        count: 0,
        seconds: 0,
      };
      this.#counts.set(key, counts);
    }
    const group = Math.min(5, Math.max(1, Math.floor(status / 100)));
    counts.statuses[group] = counts.statuses[group]! + 1;
    counts.count += 1;
    counts.seconds += seconds;
    for (let at = BOUNDS.length - 1; at >= 0 && seconds <= BOUNDS[at]!; at -= 1)
      counts.buckets[at] = counts.buckets[at]! + 1;
  }

  snapshot(): RouteMetrics[] {
    return [...this.#counts.values()].map(({ route, statuses, buckets, count, seconds }) => ({
      backends: route.action.type === 'forward' ? route.action.backends.map(({ name }) => name) : [],
      owner: route.owner,
      host: route.host,
      path: route.match.path.value,
      statuses: Object.fromEntries(
        statuses.flatMap((value, at) => (value === 0 ? [] : [[`${at}xx`, value]])),
      ),
      buckets: BOUNDS.map((bound, at) => [bound, buckets[at]!]),
      count,
      seconds,
    }));
  }
}

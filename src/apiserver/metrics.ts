const BUCKETS = [0.001, 0.005, 0.025, 0.1, 0.5, 1, 5, 30];

interface Series {
  labels: string;
  count: number;
  sum: number;
  buckets: number[];
}

/** Request counts and latencies in the Prometheus text format, under the names that dashboards know. */
export class RequestMetrics {
  readonly #series = new Map<string, Series>();
  readonly #gauges: () => Record<string, number>;

  constructor(gauges: () => Record<string, number>) {
    this.#gauges = gauges;
  }

  observe(method: string, code: number, seconds: number): void {
    const key = `${method} ${code}`;
    let series = this.#series.get(key);
    if (series === undefined) {
      series = {
        labels: `verb="${method.replaceAll(/[^A-Z]/g, '')}",code="${code}"`,
        count: 0,
        sum: 0,
        buckets: BUCKETS.map(() => 0),
      };
      this.#series.set(key, series);
    }
    series.count += 1;
    series.sum += seconds;
    for (const [index, bound] of BUCKETS.entries()) if (seconds <= bound) series.buckets[index]! += 1;
  }

  render(): string {
    const lines = [
      '# HELP apiserver_request_total Requests by method and code.',
      '# TYPE apiserver_request_total counter',
    ];
    for (const { labels, count } of this.#series.values())
      lines.push(`apiserver_request_total{${labels}} ${count}`);
    lines.push(
      '# HELP apiserver_request_duration_seconds Time from request to answer.',
      '# TYPE apiserver_request_duration_seconds histogram',
    );
    for (const { labels, count, sum, buckets } of this.#series.values()) {
      for (const [index, bound] of BUCKETS.entries())
        lines.push(`apiserver_request_duration_seconds_bucket{${labels},le="${bound}"} ${buckets[index]}`);
      lines.push(
        `apiserver_request_duration_seconds_bucket{${labels},le="+Inf"} ${count}`,
        `apiserver_request_duration_seconds_sum{${labels}} ${sum}`,
        `apiserver_request_duration_seconds_count{${labels}} ${count}`,
      );
    }
    for (const [name, value] of Object.entries(this.#gauges()))
      lines.push(`# TYPE ${name} gauge`, `${name} ${value}`);
    return `${lines.join('\n')}\n`;
  }
}

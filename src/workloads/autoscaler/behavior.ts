export interface ScaleRule {
  stabilizationWindowSeconds?: number;
  selectPolicy?: 'Max' | 'Min' | 'Disabled';
  policies?: { type: 'Pods' | 'Percent'; value: number; periodSeconds: number }[];
}

export interface Behavior {
  scaleUp?: ScaleRule;
  scaleDown?: ScaleRule;
}

interface Step {
  current: number;
  wanted: number;
  now: number;
}

type History = readonly { at: number; replicas: number }[];

const DOWN_WINDOW_SECONDS = 300;
const UP: Required<Pick<ScaleRule, 'policies'>> = {
  policies: [
    { type: 'Percent', value: 100, periodSeconds: 15 },
    { type: 'Pods', value: 4, periodSeconds: 15 },
  ],
};

/** Load that comes and goes moves nothing: the safest wish of a while counts. */
export function stabilized(
  history: History,
  { current, wanted, now }: Step,
  behavior: Behavior = {},
): number {
  const since = (seconds: number): number[] =>
    history.filter((item) => now - item.at <= seconds * 1000).map((item) => item.replicas);
  if (wanted < current) {
    const window = behavior.scaleDown?.stabilizationWindowSeconds ?? DOWN_WINDOW_SECONDS;
    return Math.min(current, Math.max(wanted, ...(window === 0 ? [] : since(window))));
  }
  const window = behavior.scaleUp?.stabilizationWindowSeconds ?? 0;
  return Math.max(current, Math.min(wanted, ...(window === 0 ? [] : since(window))));
}

/** How far one step may go. */
export function withinRates(_: History, { current, wanted }: Step, behavior: Behavior = {}): number {
  if (wanted === current) return current;
  const rule = wanted > current ? { ...UP, ...behavior.scaleUp } : behavior.scaleDown;
  if (rule?.selectPolicy === 'Disabled') return current;
  const policies = rule?.policies ?? [];
  if (policies.length === 0) return wanted;
  const steps = policies.map(({ type, value }) =>
    type === 'Pods' ? value : Math.ceil((current * value) / 100),
  );
  const step = rule?.selectPolicy === 'Min' ? Math.min(...steps) : Math.max(...steps);
  return wanted > current ? Math.min(wanted, current + step) : Math.max(wanted, current - step);
}

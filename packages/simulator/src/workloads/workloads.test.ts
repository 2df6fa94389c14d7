// takes: 3 s
import { quantileOf, randomStream } from '../random.js';
import { AZURE_CALLS_PER_DAY } from './azure.js';
import { functionsOfApp, meanExecMs, memoryMb } from './call-times.js';
import { workloads } from './index.js';
import { azure2021Popularity } from './popularity.js';
import { busyMbOf, type Workload } from './workload.js';

const need = { seed: 7, calls: 40_000, runners: 50, busyMb: 100_000, swing: 0 };

describe('what was published of Azure Functions', () => {
  const random = randomStream(1, 'test');
  const draws = <T>(draw: () => T) => Array.from({ length: 100_000 }, draw);
  const below = (values: number[], limit: number) => values.filter((value) => value <= limit).length / values.length;

  // Of the fit's own quantiles, those below the longest that a function may run here, which leaves 94.5 % of it.
  it.each([
    [14, 0.05],
    [139, 0.25],
    [684, 0.5],
    [3360, 0.75],
    [14_100, 0.9],
  ])('%i ms is the quantile %f of mean durations', (ms, share) => {
    const values = draws(() => meanExecMs(random));
    expect(below(values, ms)).toBeCloseTo(share / 0.945, 1.6);
    expect(Math.max(...values)).toBeLessThanOrEqual(30_000);
  });

  it.each([
    [95, 0.05],
    [117, 0.25],
    [140, 0.5],
    [183, 0.75],
    [262, 0.9],
    [640, 0.99],
  ])('%i MB is the quantile %f of memory', (mb, share) => {
    expect(
      Math.abs(
        below(
          draws(() => memoryMb(random, 100_000)),
          mb,
        ) - share,
      ),
    ).toBeLessThan(0.025);
  });

  it('54 % of apps have one function, 95 % at most ten', () => {
    const values = draws(() => functionsOfApp(random));
    expect(below(values, 1)).toBeGreaterThan(0.53);
    expect(below(values, 1)).toBeLessThan(0.66);
    expect(below(values, 10)).toBeCloseTo(0.95, 1.8);
  });

  it('the busiest 18.6 % of apps make 99.6 % of calls, and rates span eight orders of magnitude', () => {
    const rates = Array.from({ length: 100_000 }, (_, i) => quantileOf(AZURE_CALLS_PER_DAY, (i + 0.5) / 100_000));
    const total = rates.reduce((sum, rate) => sum + rate, 0);
    const top = rates.slice(-18_600).reduce((sum, rate) => sum + rate, 0);
    expect(top / total).toBeCloseTo(0.996, 2.5);
    expect(below(rates, 24)).toBeCloseTo(0.45, 2);
    expect(below(rates, 1440)).toBeCloseTo(0.81, 2);
    expect(Math.log10((rates.at(-1) ?? 0) / (rates[0] ?? 1))).toBeCloseTo(8, 0);
  });

  it.each([
    [1, 27.0],
    [2, 37.8],
    [5, 57.1],
    [10, 72.6],
    [20, 84.4],
    [42, 92.3],
    [85, 97.8],
  ])('the first %i of 424 functions make %f %% of calls in 2021', (ranks, percent) => {
    const counts = Array.from({ length: 424 }, (_, i) => azure2021Popularity(i + 1));
    const total = counts.reduce((sum, count) => sum + count, 0);
    const top = counts.slice(0, ranks).reduce((sum, count) => sum + count, 0);
    expect(Math.abs((100 * top) / total - percent)).toBeLessThan(1.5);
  });
});

describe.each(workloads.names)('workload %s', (name) => {
  const workload = workloads.get(name).create(need);

  it('is the same for the same seed, and different for another', () => {
    const column = ({ calls }: Workload) => [...calls.atMs.slice(0, 1000), ...calls.fn.slice(0, 1000)];
    expect(column(workloads.get(name).create(need))).toEqual(column(workload));
    expect(column(workloads.get(name).create({ ...need, seed: 8 }))).not.toEqual(column(workload));
  });

  it('is in order of arrival and offers the requested load once its rate has risen', () => {
    const { atMs, count } = workload.calls;
    expect(count).toBe(need.calls);
    expect(atMs.every((at, i) => i === 0 || at >= (atMs[i - 1] as number))).toBe(true);
    // Calls are the same as without the rise, which takes longer.
    expect(busyMbOf(workload)).toBeLessThan(need.busyMb);
    const risen = Math.floor(count * 0.2);
    const { calls, functions } = workload;
    const rest = { atMs: calls.atMs.slice(risen), fn: calls.fn.slice(risen), execMs: calls.execMs.slice(risen) };
    const later = { ...workload, functions, calls: { ...calls, ...rest, count: count - risen } };
    expect(busyMbOf(later) / need.busyMb).toBeGreaterThan(0.85);
    expect(busyMbOf(later) / need.busyMb).toBeLessThan(1.15);
  });
});

it('one-hot: one function makes 27 % of calls', () => {
  const { fn, count } = workloads.get('one-hot').create(need).calls;
  expect(fn.filter((index) => index === 0).length / count).toBeCloseTo(0.27, 2);
});

it('a swinging rate is low at both ends of the run and high in the middle', () => {
  const { atMs, count } = workloads.get('uniform').create({ ...need, swing: 0.9 }).calls;
  const end = atMs[count - 1] as number;
  const share = (from: number, to: number) => atMs.filter((at) => at >= from * end && at < to * end).length / count;
  expect(share(0.4, 0.7)).toBeGreaterThan(2 * share(0.8, 1));
});

import { mergeMetrics, totalsOnly } from './merge.js';
import type { MetricSnapshot } from './registry.js';

const calls = (value: number): MetricSnapshot => ({ kind: 'counter', name: 'calls', points: [{ labels: {}, value }] });

it('counts of two processes are added up by labels; a process that counted nothing of a kind adds nothing', () => {
  const shed = (reason: string, value: number): MetricSnapshot => ({
    kind: 'counter',
    name: 'lb_queue_shed_count',
    points: [{ labels: { reason }, value }],
  });
  expect(mergeMetrics([[calls(2), shed('full', 1)], [calls(3), shed('share', 4)], []])).toEqual([
    calls(5),
    {
      kind: 'counter',
      name: 'lb_queue_shed_count',
      points: [
        { labels: { reason: 'full' }, value: 1 },
        { labels: { reason: 'share' }, value: 4 },
      ],
    },
  ]);
});

it('histograms are added bucket by bucket', () => {
  const latency = (buckets: number[], sum: number): MetricSnapshot => ({
    kind: 'histogram',
    name: 'lb_call_latency',
    bounds: [1, 10],
    points: [{ labels: { call_status: 'completed' }, buckets, sum, count: buckets.reduce((a, b) => a + b) }],
  });
  expect(mergeMetrics([[latency([1, 2, 0], 9)], [latency([0, 1, 3], 80)]])).toEqual([latency([1, 3, 3], 89)]);
});

it.each`
  gauge                           | one     | other   | merged
  ${'lb_queue_waiting'}           | ${2}    | ${3}    | ${5}
  ${'lb_pool_runners'}            | ${4}    | ${4}    | ${4}
  ${'process_start_time_seconds'} | ${1000} | ${2000} | ${1000}
  ${'build_info'}                 | ${1}    | ${1}    | ${1}
`('$gauge of $one and $other is $merged', ({ gauge, one, other, merged }) => {
  const level = (value: number) => ({ kind: 'gauge', name: gauge, points: [{ labels: {}, value }] }) as MetricSnapshot;
  expect(mergeMetrics([[level(one)], [level(other)]])).toEqual([level(merged)]);
});

it('a process that has ended leaves its counts, but not its gauges', () => {
  const waiting: MetricSnapshot = { kind: 'gauge', name: 'lb_queue_waiting', points: [{ labels: {}, value: 7 }] };
  expect(totalsOnly([calls(2), waiting])).toEqual([calls(2)]);
});

import { renderPrometheus } from './prometheus.js';
import { RecordedMetrics } from './recorded-metrics.js';
import { count, countFromZero, observe, readMetrics, readWhenExported } from './registry.js';

describe('metrics', () => {
  const metrics = RecordedMetrics.install();
  beforeEach(() => metrics.reset());

  it('without labels are totals that are computed when read', () => {
    count('calls');
    count('calls', 2);
    count('running');
    count('running', -1);
    expect([metrics.sum('calls'), metrics.sum('running')]).toEqual([3, 0]);
    count('calls');
    expect(metrics.sum('calls')).toBe(4);
  });

  it('start from zero after a reset', () => {
    count('calls');
    metrics.reset();
    expect(metrics.sum('calls')).toBe(0);
    count('calls');
    expect(metrics.sum('calls')).toBe(1);
  });

  it('are kept apart by their labels', () => {
    count('docker_exits', 1, { exit_status: 'exit_0' });
    count('docker_exits', 1, { exit_status: 'exit_1' });
    observe('lb_call_latency', 5, { call_status: 'completed' });
    expect(metrics.sum('docker_exits', { exit_status: 'exit_1' })).toBe(1);
    expect(metrics.sum('docker_exits')).toBe(2);
    expect(metrics.values('lb_call_latency')).toEqual([5]);
  });

  it('that are read on export show the current value until the reading ends', () => {
    const levels = { ok: 2, ejected: 1 };
    const end = readWhenExported('lb_runners_by_state', () =>
      Object.entries(levels).map(([state, value]) => ({ value, attributes: { state } })),
    );
    const seen = () => ['ok', 'ejected'].map((state) => metrics.sum('lb_runners_by_state', { state }));
    expect(seen()).toEqual([2, 1]);
    levels.ejected = 0;
    levels.ok = 3;
    expect(seen()).toEqual([3, 0]);
    end();
    levels.ok = 4;
    expect(seen()).toEqual([3, 0]);
  });
});

const snapshotOf = (wanted: string) => readMetrics().find(({ name }) => name === wanted);

it('a counter is exported with its labels before its first event', () => {
  countFromZero('lb_placer_timeout_count');
  countFromZero('lb_queue_shed_count', { reason: 'full' }, { reason: 'share' });
  expect(snapshotOf('lb_placer_timeout_count')?.points).toEqual([{ labels: {}, value: 0 }]);
  expect(snapshotOf('lb_queue_shed_count')?.points).toEqual([
    { labels: { reason: 'full' }, value: 0 },
    { labels: { reason: 'share' }, value: 0 },
  ]);
});

it('an observation falls into the first bucket whose bound is not below it', () => {
  for (const value of [0, 2, 2.5, 3, 1000]) observe('lb_placer_attempt_count', value);
  expect(snapshotOf('lb_placer_attempt_count')?.points).toEqual([
    { labels: {}, buckets: [1, 1, 2, 0, 0, 0, 0, 0, 0, 0, 1], sum: 1007.5, count: 5 },
  ]);
});

it('label sets beyond 2000 share one series, and nothing is lost', () => {
  for (let i = 0; i < 3000; i += 1) count('docker_events', 1, { event_action: `a${i}`, event_type: 'container' });
  const points = snapshotOf('docker_events')?.points ?? [];
  expect(points).toHaveLength(2001);
  expect(points.at(-1)).toEqual({ labels: { otel_metric_overflow: 'true' }, value: 1000 });
});

it('are rendered for Prometheus with totals, labels with odd characters, and cumulative buckets', () => {
  count('containers_reaped', 2, { reason: 'a "quoted"\nreason\\' });
  observe('api/latency', 7);
  const lines = renderPrometheus(readMetrics(), { service_name: 'test' }).split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      'target_info{service_name="test"} 1',
      '# TYPE fn_containers_reaped_total counter',
      'fn_containers_reaped_total{reason="a \\"quoted\\"\\nreason\\\\"} 2',
      '# TYPE fn_api_latency histogram',
      'fn_api_latency_count 1',
      'fn_api_latency_sum 7',
      'fn_api_latency_bucket{le="1"} 0',
      'fn_api_latency_bucket{le="10"} 1',
      'fn_api_latency_bucket{le="+Inf"} 1',
    ]),
  );
  expect(lines.at(-1)).toBe('');
});

import { type Attributes, type Meter, metrics as metricsApi, type ObservableCallback } from '@opentelemetry/api';
import { RecordedMetrics } from './recorded-metrics.js';
import { count, countFromZero, observe, readWhenExported } from './telemetry.js';

describe('metrics', () => {
  const metrics = RecordedMetrics.install();
  beforeEach(() => metrics.reset());

  it('without labels are totals that are read when somebody looks', () => {
    count('calls');
    count('calls', 2);
    count('running');
    count('running', -1);
    expect([metrics.sum('calls'), metrics.sum('running')]).toEqual([3, 0]);
    count('calls');
    expect(metrics.sum('calls')).toBe(4);
  });

  it('begin at nothing after a reset', () => {
    count('calls');
    metrics.reset();
    expect(metrics.sum('calls')).toBe(0);
    count('calls');
    expect(metrics.sum('calls')).toBe(1);
  });

  it('with labels are told apart by them', () => {
    count('docker_exits', 1, { exit_status: 'exit_0' });
    count('docker_exits', 1, { exit_status: 'exit_1' });
    observe('lb_call_latency', 5, { call_status: 'completed' });
    expect(metrics.sum('docker_exits', { exit_status: 'exit_1' })).toBe(1);
    expect(metrics.sum('docker_exits')).toBe(2);
    expect(metrics.values('lb_call_latency')).toEqual([5]);
  });

  it('that are read say what is, until nobody reads them', () => {
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

it('a counter is there before it counts, with its labels', async () => {
  const seen: unknown[] = [];
  const observable = { addCallback: (read: ObservableCallback) => read({ observe: (value) => seen.push(value) }) };
  const counter = { add: (value: number, attributes: Attributes) => seen.push({ value, ...attributes }) };
  metricsApi.disable();
  metricsApi.setGlobalMeterProvider({
    getMeter: () => ({ createObservableCounter: () => observable, createCounter: () => counter }) as unknown as Meter,
  });
  countFromZero('lb_placer_timeout_count');
  countFromZero('lb_queue_shed_count', { reason: 'full' }, { reason: 'share' });
  expect(seen).toEqual([0, { value: 0, reason: 'full' }, { value: 0, reason: 'share' }]);
});

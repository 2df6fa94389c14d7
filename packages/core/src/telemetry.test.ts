import { RecordedMetrics } from './recorded-metrics.js';
import { count, observe } from './telemetry.js';

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
});

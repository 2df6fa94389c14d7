import { type LoadReport, loadJson } from './load-report.js';

const LOAD: LoadReport = {
  instanceId: 'a1',
  memoryUsedBytes: 1,
  memoryIdleBytes: 2,
  memoryTotalBytes: 3,
  cpuUsedMillis: 4,
  cpuTotalMillis: 5,
  active: 6,
  waiting: 7,
  freeSlots: 8,
  draining: true,
  degraded: false,
  degradedReason: '',
};

it('shows operators the report of a runner, with a reason only if there is one', () => {
  const shown = {
    incarnation: 'a1',
    memory_used_bytes: 1,
    memory_idle_bytes: 2,
    memory_total_bytes: 3,
    cpu_used_millis: 4,
    cpu_total_millis: 5,
    active: 6,
    waiting: 7,
    draining: true,
    degraded: false,
  };
  expect(JSON.parse(JSON.stringify(loadJson(LOAD)))).toEqual(shown);
  const degraded = { ...LOAD, degraded: true, degradedReason: 'no engine' };
  expect(loadJson(degraded)).toMatchObject({ degraded: true, degraded_reason: 'no engine' });
});

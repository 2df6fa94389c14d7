import { FakeClock, RecordedMetrics } from '@fnfleet/core';
import { ContainerMetrics } from './container-metrics.js';

const metrics = RecordedMetrics.install();

it('counts a container in its current state only, and records the duration of each state when it ends', async () => {
  metrics.reset();
  const clock = new FakeClock();
  const container = new ContainerMetrics(clock, { appId: 'a', fnId: 'f', image: 'i' });
  const labels = { app_id: 'a', fn_id: 'f', image_name: 'i' };
  const gauges = () =>
    (['wait', 'start', 'idle', 'paused', 'busy'] as const).map((state) =>
      metrics.sum(`container_${state}_total`, labels),
    );
  container.leave();
  expect(gauges()).toEqual([0, 0, 0, 0, 0]);
  container.enter('wait');
  await clock.advance(7);
  container.enter('start');
  expect(gauges()).toEqual([0, 1, 0, 0, 0]);
  await clock.advance(11);
  container.enter('busy');
  container.enter('idle');
  expect(gauges()).toEqual([0, 0, 1, 0, 0]);
  await clock.advance(13);
  container.leave();
  container.leave();
  expect(gauges()).toEqual([0, 0, 0, 0, 0]);
  expect(metrics.values('container_wait_duration_seconds', labels)).toEqual([7]);
  expect(metrics.values('container_start_duration_seconds', labels)).toEqual([11]);
  expect(metrics.values('container_busy_duration_seconds', labels)).toEqual([0]);
  expect(metrics.values('container_idle_duration_seconds', labels)).toEqual([13]);
});

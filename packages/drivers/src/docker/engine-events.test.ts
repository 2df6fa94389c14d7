import { PassThrough, type Readable } from 'node:stream';
import { count, FakeClock, RecordedMetrics } from '@fnfleet/core';
import { HealthState } from '../driver-health.js';
import { EngineEvents } from './engine-events.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

describe('events of the engine', () => {
  const clock = new FakeClock();
  let streams: PassThrough[];
  let refuse: boolean;
  let lost: number;
  let health: HealthState;
  let events: EngineEvents;

  beforeEach(() => {
    metrics.reset();
    streams = [];
    refuse = false;
    lost = 0;
    health = new HealthState();
    const open = async (signal: AbortSignal): Promise<Readable> => {
      if (refuse) throw new Error('connect ECONNREFUSED');
      const stream = new PassThrough({ signal });
      streams.push(stream);
      return stream;
    };
    events = new EngineEvents({ open, onLost: () => (lost += 1), health, clock });
    events.start();
  });

  afterEach(async () => {
    events.close();
    await clock.advance(0);
    expect(clock.pendingTimers).toBe(0);
    expect(streams.every((stream) => stream.destroyed)).toBe(true);
  });

  const reported = (action: string, type = 'container') =>
    metrics.sum('docker_events', { event_action: action, event_type: type });

  /** Counting is done a few turns of the event loop after writing. */
  async function written(stream: PassThrough | undefined, ...lines: string[]): Promise<void> {
    for (const line of lines) stream?.write(`${line}\n`);
    for (let i = 0; i < 5; i += 1) await clock.advance(0);
  }

  it('are counted by action and type, without commands of an exec', async () => {
    await written(
      streams[0],
      '{"Type":"container","Action":"die"}',
      '{"Type":"image","Action":"pull"}',
      '{"Type":"container","Action":"exec_create: sh -c secret"}',
    );
    expect([reported('die'), reported('pull', 'image'), reported('exec_create')]).toEqual([1, 1, 1]);
    expect(metrics.sum('docker_events')).toBe(3);
  });

  it('are followed again when the stream is lost, at most twice per second', async () => {
    refuse = true;
    streams[0]?.destroy(new Error('aborted'));
    await written(undefined);
    expect(lost).toBe(1);
    await clock.advance(5_000);
    expect(lost).toBe(11);
    refuse = false;
    await clock.advance(500);
    await written(streams[1], '{"Type":"container","Action":"start"}');
    expect(reported('start')).toBe(1);
  });

  it('are not requested from a degraded engine', async () => {
    health.degrade('hangs');
    streams[0]?.end();
    await clock.advance(60_000);
    await written(undefined);
    expect([lost, streams.length]).toEqual([1, 1]);
    health.recover();
    await clock.advance(500);
    expect(streams).toHaveLength(2);
  });
});

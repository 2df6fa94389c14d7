import { FakeClock } from '@fnfleet/core';
import { newCpuMeter } from './cpu-meter.js';
import { Pace } from './pace.js';

const LOOK_MS = 250;

describe('the pace of asynchronous calls', () => {
  let clock: FakeClock;
  let busy: number;
  let pace: Pace;

  beforeEach(() => {
    clock = new FakeClock();
    busy = 1;
    pace = new Pace({ limit: 16, busy: 0.8, share: 0.1, cpu: async () => busy, clock });
  });

  /** Clients call, and it looks at the machine. Resolves with how many calls may run, if this many do. */
  async function look({ calls = 1, running = 0 }: { calls?: number; running?: number }): Promise<number> {
    for (let i = 0; i < calls; i += 1) pace.clientCall();
    await clock.advance(LOOK_MS);
    return running + (await pace.room(running));
  }

  it('is not limited while no client calls, however busy the machine is', async () => {
    for (let i = 0; i < 5; i += 1) expect(await look({ calls: 0 })).toBe(16);
  });

  it('is not limited while the machine is not busy', async () => {
    busy = 0.79;
    for (let i = 0; i < 5; i += 1) expect(await look({ calls: 100 })).toBe(16);
  });

  it('is limited from that share of the CPU on that was set', async () => {
    pace = new Pace({ limit: 16, busy: 0.5, share: 0.1, cpu: async () => busy, clock });
    busy = 0.49;
    expect(await look({})).toBe(16);
    busy = 0.5;
    expect(await look({})).toBe(8);
  });

  it('falls by half with each look while clients call and the machine is busy, and rises by one when it is not', async () => {
    const seen: number[] = [];
    for (let i = 0; i < 4; i += 1) seen.push(await look({ calls: 10 }));
    busy = 0.5;
    for (let i = 0; i < 3; i += 1) seen.push(await look({}));
    expect(seen).toEqual([8, 4, 2, 1, 2, 3, 4]);
  });

  it('does not start more while more run than are allowed', async () => {
    await look({ running: 16 });
    expect(await pace.room(16)).toBe(-8);
  });

  it('follows the set share of the clients’ calls when the machine is busy with one call alone', async () => {
    for (let i = 0; i < 6; i += 1) await look({});
    let started = 0;
    for (let i = 0; i < 40; i += 1) {
      await look({ calls: 20 });
      while ((await pace.room(0)) > 0) {
        pace.start();
        started += 1;
      }
    }
    // A tenth of 800, and what the first look has left.
    expect(started).toBeGreaterThanOrEqual(80);
    expect(started).toBeLessThanOrEqual(82);
  });

  it('starts one a second if clients make only a few calls', async () => {
    for (let i = 0; i < 6; i += 1) await look({});
    let started = 0;
    for (let i = 0; i < 40; i += 1) {
      await look({ calls: 1 });
      while ((await pace.room(0)) > 0) {
        pace.start();
        started += 1;
      }
    }
    expect(started).toBeGreaterThanOrEqual(10);
    expect(started).toBeLessThanOrEqual(12);
  });

  it('is not limited any more two seconds after the last call of a client', async () => {
    for (let i = 0; i < 6; i += 1) await look({});
    for (let i = 0; i < 7; i += 1) expect(await look({ calls: 0 })).toBeLessThanOrEqual(1);
    await look({ calls: 0 });
    expect(await look({ calls: 0 })).toBe(16);
  });

  it('measures the machine no more often than it looks at it', async () => {
    let measured = 0;
    const cpu = async () => {
      measured += 1;
      return 0;
    };
    pace = new Pace({ limit: 16, busy: 0.8, share: 0.1, cpu, clock });
    for (let i = 0; i < 100; i += 1) {
      await pace.room(0);
      await clock.advance(10);
    }
    expect(measured).toBe(4);
  });
});

describe('the CPU meter', () => {
  it('reports more while this process computes than while it sleeps', async () => {
    const meter = newCpuMeter();
    expect(await meter()).toBeLessThanOrEqual(1);
    const until = performance.now() + 200;
    while (performance.now() < until);
    const computing = await meter();
    expect(computing).toBeGreaterThan(0.8);
    expect(computing).toBeLessThanOrEqual(1);
  });
});

import { later, type MonoMs } from '@fnfleet/core';
import { newCpuMeter } from './cpu-meter.js';
import { Pace } from './pace.js';

const LIMIT = 16;
const ASYNC_MS = 5;

/** A machine on which clients call and a backlog waits, millisecond by millisecond. */
class Machine {
  now = 1_000 as MonoMs;
  /** Of the CPU in use. */
  busy = 0.5;
  /** Calls of clients in a millisecond. */
  calls = 1;
  /** How long one takes beside so many asynchronous calls, ms. */
  took = (_running: number) => 2;
  asyncMs = ASYNC_MS;
  /** Whether a backlog waits that is leased turn by turn; otherwise, one call at a time is. */
  isBacklog = true;
  hasWork = true;
  measured = 0;
  /** Asynchronous calls that have started. */
  started = 0;
  /** How often calls were leased, while there are turns. */
  turns = 0;
  private ahead = 0;
  readonly pace: Pace;
  private readonly ends: MonoMs[] = [];
  private owed = 0;

  constructor(share = 0) {
    let seed = 1;
    const random = () => {
      seed = (seed * 48_271) % 2_147_483_647;
      return seed / 2_147_483_647;
    };
    const cpu = async () => {
      this.measured += 1;
      return this.busy;
    };
    this.pace = new Pace({ ...{ limit: LIMIT, busy: 0.8, share, cpu, random }, clock: { now: () => this.now } });
  }

  get running(): number {
    return this.ends.length;
  }

  /** @returns how many asynchronous calls started in each second */
  async run(ms: number): Promise<number> {
    const { pace, ends } = this;
    const before = this.started;
    for (const until = later(this.now, ms); this.now < until; this.now = later(this.now, 1)) {
      while ((ends[0] ?? Number.POSITIVE_INFINITY) <= this.now) {
        ends.shift();
        pace.end(this.ahead > 0);
      }
      for (this.owed += this.calls; this.owed >= 1; this.owed -= 1) this.clientCall();
      await pace.room(this.running);
      while (this.hasWork && pace.free(this.running) > 0) {
        if (this.ahead === 0) {
          this.ahead = this.isBacklog ? (pace.turnCalls ?? 1) : 1;
          this.turns += 1;
        }
        this.ahead -= 1;
        pace.start();
        this.started += 1;
        ends.push(later(this.now, this.asyncMs));
      }
    }
    return ((this.started - before) * 1_000) / ms;
  }

  private clientCall(): void {
    const { now } = this;
    const call = this.pace.clientCall();
    this.now = later(now, this.took(this.running));
    this.pace.clientEnd(call);
    this.now = now;
  }
}

const ALL = (LIMIT * 1_000) / ASYNC_MS;

describe('the pace of asynchronous calls', () => {
  it('is not limited while no client calls, however busy the machine is', async () => {
    const machine = new Machine();
    machine.calls = 0;
    machine.busy = 1;
    expect(await machine.run(5_000)).toBe(ALL);
    expect(machine.pace.isOpen).toBe(true);
  });

  it('falls at once when a client calls: no more start until fewer than one would run', async () => {
    const machine = new Machine();
    machine.calls = 0;
    await machine.run(1_000);
    machine.pace.clientCall();
    expect(machine.pace.free(machine.running)).toBeLessThan(0);
    expect(machine.pace.isOpen).toBe(false);
  });

  it('rises to the limit if the calls of clients take no longer, but for the moments of comparison', async () => {
    const machine = new Machine();
    await machine.run(30_000);
    expect(machine.pace.isOpen).toBe(true);
    const rate = await machine.run(10_000);
    expect(rate).toBeGreaterThan(0.75 * ALL);
    expect(rate).toBeLessThan(0.85 * ALL);
  });

  it('stays where calls of clients take no more than a little longer', async () => {
    const machine = new Machine();
    // 1 % at half an asynchronous call at a time, on average.
    machine.took = (running) => 2 * (1 + 0.02 * running);
    await machine.run(60_000);
    const average = ((await machine.run(60_000)) * ASYNC_MS) / 1_000;
    expect(average).toBeGreaterThan(0.05);
    expect(average).toBeLessThan(1);
  });

  it('falls to a few a second if any of them makes calls of clients much slower', async () => {
    const machine = new Machine();
    machine.took = (running) => (running === 0 ? 2 : 20);
    await machine.run(30_000);
    const rate = await machine.run(30_000);
    expect(rate).toBeGreaterThanOrEqual(0.9);
    expect(rate).toBeLessThan(10);
  });

  it('falls by half with each look at a busy machine, down to a turn in two seconds', async () => {
    const machine = new Machine();
    await machine.run(30_000);
    machine.busy = 0.8;
    const rates: number[] = [];
    for (let look = 0; look < 3; look += 1) rates.push(await machine.run(1_000));
    expect(rates[0]).toBeLessThan(0.8 * ALL);
    expect(rates[1]).toBeLessThan((rates[0] ?? 0) / 4);
    await machine.run(5_000);
    const { turns } = machine;
    await machine.run(20_000);
    expect(machine.turns - turns).toBe(10);
  });

  it('does not fall when the machine is busy at one look alone', async () => {
    const machine = new Machine();
    await machine.run(30_000);
    for (let n = 0; n < 20; n += 1) {
      machine.busy = 1;
      await machine.run(250);
      machine.busy = 0.5;
      await machine.run(250);
    }
    expect(machine.pace.isOpen).toBe(true);
  });

  it('lets the set share of the calls of clients start on a busy machine', async () => {
    const machine = new Machine(0.03);
    machine.busy = 1;
    await machine.run(5_000);
    const rate = await machine.run(20_000);
    expect(rate).toBeGreaterThan(20);
    expect(rate).toBeLessThan(31);
  });

  it.each`
    asyncMs  | turnCalls | perTurn
    ${1}     | ${25}     | ${2_026}
    ${5}     | ${5}      | ${2_026}
    ${50}    | ${1}      | ${2_050}
    ${3_000} | ${1}      | ${5_000}
  `(
    'runs calls of $asyncMs ms in turns of $turnCalls on a busy machine, one after the other, with pauses of two seconds at most',
    async ({ asyncMs, turnCalls, perTurn }) => {
      const machine = new Machine();
      machine.busy = 1;
      machine.asyncMs = asyncMs;
      await machine.run(60_000);
      const [before, started] = [machine.turns, machine.started];
      await machine.run(100_000);
      const turns = machine.turns - before;
      expect(machine.pace.turnCalls).toBe(turnCalls);
      expect(machine.started - started).toBeCloseTo(turns * turnCalls, -2);
      expect(100_000 / turns / perTurn).toBeCloseTo(1, 1);
      expect(machine.running).toBeLessThanOrEqual(1);
    },
  );

  it('leases no more than 64 calls for a turn, and ends a turn after 100 ms', async () => {
    const machine = new Machine();
    machine.busy = 1;
    await machine.run(10_000);
    const { pace } = machine;
    const callTakes = (ms: number, hasNext = true) => {
      pace.start();
      machine.now = later(machine.now, ms);
      pace.end(hasNext);
    };
    for (let n = 0; n < 100; n += 1) callTakes(0.1);
    expect(pace.turnCalls).toBe(64);
    callTakes(0.1, false);
    machine.now = later(machine.now, pace.restMs());
    for (let n = 0; n < 9; n += 1) {
      callTakes(10);
      expect(pace.restMs()).toBe(0);
    }
    callTakes(10);
    expect(pace.restMs()).toBe(2_000);
  });

  it('pauses longer after a single call than in proportion, because to lease and to report it costs more than the call', async () => {
    const machine = new Machine();
    machine.busy = 1;
    machine.isBacklog = false;
    machine.asyncMs = 1;
    await machine.run(20_000);
    // 6 ms and not 1 for each.
    expect(await machine.run(20_000)).toBeLessThan(1);
  });

  it('has no turns while more than one call runs at a time', async () => {
    const machine = new Machine();
    await machine.run(30_000);
    expect(machine.pace.turnCalls).toBeUndefined();
  });

  it('rises without a comparison if clients call too seldom for one', async () => {
    const machine = new Machine();
    machine.calls = 0.01;
    await machine.run(20_000);
    expect(machine.pace.isOpen).toBe(true);
    expect(await machine.run(5_000)).toBe(ALL);
  });

  it('does not rise while no asynchronous call waits', async () => {
    const machine = new Machine();
    machine.pace.clientCall();
    for (let ms = 0; ms < 60_000; ms += 1, machine.now = later(machine.now, 1)) {
      machine.pace.clientEnd(machine.pace.clientCall());
      await machine.pace.room(0);
    }
    expect(machine.pace.isOpen).toBe(false);
    expect(machine.pace.free(0)).toBeLessThanOrEqual(1);
  });

  it('learns nothing while no asynchronous call waits: a few short moments with them are enough to see their effect', async () => {
    const machine = new Machine();
    // 3 % at the limit, but less than 1 % on average.
    machine.took = (running) => 2 * (1 + 0.002 * running);
    await machine.run(60_000);
    let fallen = 0;
    for (let n = 0; n < 60; n += 1) {
      machine.hasWork = true;
      await machine.run(500);
      machine.hasWork = false;
      await machine.run(3_500);
      if (n >= 20 && !machine.pace.isOpen) fallen += 1;
    }
    expect(fallen).toBeGreaterThan(4);
  });

  it('is not limited any more two seconds after the last call of a client', async () => {
    const machine = new Machine();
    machine.busy = 1;
    await machine.run(5_000);
    machine.calls = 0;
    await machine.run(1_900);
    expect(machine.pace.isOpen).toBe(false);
    await machine.run(400);
    expect(machine.pace.isOpen).toBe(true);
  });

  it('measures the machine four times a second', async () => {
    const machine = new Machine();
    await machine.run(1_000);
    expect(machine.measured).toBe(4);
  });

  it('says how long none may start', async () => {
    const machine = new Machine();
    machine.busy = 1;
    await machine.run(5_000);
    machine.calls = 0;
    while (machine.pace.restMs() === 0) await machine.run(1);
    const restMs = machine.pace.restMs();
    expect(machine.pace.free(0)).toBe(0);
    machine.now = later(machine.now, restMs);
    expect(machine.pace.free(0)).toBe(1);
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

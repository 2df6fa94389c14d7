import type { FakeClock } from '@fnfleet/core';
import { NOTHING_CHECKED, type RunnerStatus } from '@fnfleet/protocol';
import type { FakeRunner } from '../fake-runner.js';
import { FleetFixture } from '../test-fixture.js';
import { ProbePool } from './prequal.js';

it('has all of a small fleet, and probes each runner once a second, however many calls there are', async () => {
  const world = new Probing(4);
  for (let i = 0; i < 3; i += 1) expect(world.take()).toEqual(['r0', 'r1', 'r2', 'r3']);
  await world.clock.advance(999);
  world.relist();
  world.take();
  expect(world.asked).toEqual(['r0', 'r1', 'r2', 'r3']);
  await world.clock.advance(1);
  world.relist();
  world.take();
  expect(world.asked).toEqual(['r0', 'r1', 'r2', 'r3', 'r0', 'r1', 'r2', 'r3']);
});

it('has sixteen random runners of a large fleet, and replaces the two oldest with each call', () => {
  const world = new Probing(100);
  expect(world.take()).toEqual(range(2, 18));
  expect(world.take()).toEqual(range(4, 20));
  for (let i = 0; i < 6; i += 1) world.take();
  expect(world.take()).toEqual(range(18, 34));
});

it('has no runner twice, whatever the random numbers', () => {
  const world = new Probing(100, () => 0.5);
  expect(world.take()).toEqual(['r50']);
});

it('a fleet of exactly sixteen is complete, and none is replaced', () => {
  const world = new Probing(16);
  world.take();
  expect(world.take()).toEqual(range(0, 16));
});

it('starts over with another list of runners', () => {
  const world = new Probing(4);
  world.take();
  world.relist(2);
  expect(world.take()).toEqual(['r0', 'r1']);
});

it('has at most 32 probes under way; an answer or a failure makes room for another', async () => {
  const world = new Probing(100, undefined, false);
  for (let i = 0; i < 20; i += 1) world.take();
  expect(world.asked).toEqual(range(0, 32));
  world.pending[0]?.resolve(NOTHING_CHECKED);
  world.pending[1]?.reject(new Error('gone'));
  await world.clock.advance(0);
  for (let i = 0; i < 20; i += 1) world.take();
  expect(world.asked).toHaveLength(34);
});

/** A pool over runners r0, r1, … that records which are probed. */
class Probing {
  readonly asked: string[] = [];
  readonly pending: PromiseWithResolvers<RunnerStatus>[] = [];
  private readonly fixture: FleetFixture;
  private runners: readonly FakeRunner[];
  private readonly pool: ProbePool;
  private drawn = 0;

  /** @param random unless given, it selects one after the other */
  constructor(
    size: number,
    random?: () => number,
    private readonly answers = true,
  ) {
    this.fixture = new FleetFixture(size);
    this.runners = this.fixture.runners;
    for (const runner of this.runners) runner.status = () => this.ask(runner);
    this.pool = new ProbePool({ clock: this.clock, random: random ?? (() => ((this.drawn++ % size) + 0.5) / size) });
  }

  /** Addresses of the runners that are compared for one call. */
  take(): string[] {
    const taken = this.pool.take(this.fixture.fleet.snapshot(this.runners)).map(({ address }) => address);
    return taken.sort((a, b) => Number(a.slice(1)) - Number(b.slice(1)));
  }

  /** The pool returns another list, of the first `count` runners. */
  relist(size = this.runners.length): void {
    this.runners = this.runners.slice(0, size);
  }

  get clock(): FakeClock {
    return this.fixture.clock;
  }

  private ask({ address }: FakeRunner): Promise<RunnerStatus> {
    this.asked.push(address);
    const answer = Promise.withResolvers<RunnerStatus>();
    if (this.answers) answer.resolve(NOTHING_CHECKED);
    else this.pending.push(answer);
    return answer.promise;
  }
}

function range(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, i) => `r${from + i}`);
}

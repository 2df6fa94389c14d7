import { FakeClock } from '@fnfleet/core';
import { FunctionStates } from './function-states.js';

const MIB = 1024 * 1024;
const IDLE_MS = 30_000;

let clock: FakeClock;
let known: FunctionStates;
/** Reported changes of free containers, in order. */
let news: string[];
beforeEach(() => {
  clock = new FakeClock();
  news = [];
  known = new FunctionStates(
    () => clock.now(),
    (fnId, warm) => news.push(`${fnId} ${warm ? 'warm' : 'cold'}`),
  );
});

/** A function with this many free containers of one MiB each. */
function free(fnId: string, slots: number, idleMs = IDLE_MS): void {
  known.of(fnId).bytes = MIB;
  known.setFree(fnId, slots, idleMs);
}

const slots = (...fnIds: string[]) => fnIds.map((fnId) => known.get(fnId)?.freeSlots(clock.now()));

describe('free containers', () => {
  it('are reported when the first appears and when the last disappears', () => {
    free('a', 1);
    free('a', 2);
    known.takeFree('a');
    expect(news).toEqual(['a warm']);
    known.takeFree('a');
    expect(news).toEqual(['a warm', 'a cold']);
    known.takeFree('a');
    expect([slots('a'), news]).toEqual([[0], ['a warm', 'a cold']]);
  });

  it('expire after their idle timeout', async () => {
    free('a', 1, 1000);
    await clock.advance(999);
    expect([slots('a'), known.warmCount]).toEqual([[1], 1]);
    await clock.advance(1);
    expect([slots('a'), known.warmCount]).toEqual([[0], 0]);
  });

  it('that have expired and come back are reported again', async () => {
    free('a', 1, 1000);
    await clock.advance(1000);
    free('a', 1, 1000);
    expect(news).toEqual(['a warm', 'a warm']);
  });

  it('are counted by function, not by container', () => {
    free('a', 3);
    free('b', 1);
    free('c', 0);
    expect(known.warmCount).toBe(2);
  });
});

describe('a runner that reports its idle memory', () => {
  it('keeps all containers in the estimate when they fit', () => {
    free('a', 2);
    free('b', 1);
    known.trimIdle(3 * MIB);
    expect(slots('a', 'b')).toEqual([2, 1]);
  });

  it('loses those that were idle longest when they do not', () => {
    free('old', 2);
    free('new', 2);
    known.trimIdle(3 * MIB);
    expect(slots('old', 'new')).toEqual([1, 2]);
    known.trimIdle(1 * MIB);
    expect(slots('old', 'new')).toEqual([0, 1]);
    expect(news).toEqual(['old warm', 'new warm', 'old cold']);
  });

  it('counts half a container as none', () => {
    free('a', 2);
    known.trimIdle(1.5 * MIB);
    expect(slots('a')).toEqual([1]);
  });

  it('does not treat a container as the oldest once it became idle again', () => {
    free('a', 1);
    free('b', 1);
    free('a', 1);
    known.trimIdle(1 * MIB);
    expect(slots('a', 'b')).toEqual([1, 0]);
  });

  it('does not count those that expired by themselves', async () => {
    free('expired', 5, 1000);
    free('there', 1);
    await clock.advance(1000);
    known.trimIdle(1 * MIB);
    expect(slots('expired', 'there')).toEqual([0, 1]);
    expect(news).toEqual(['expired warm', 'there warm']);
  });

  it('without idle memory has no free container at all', () => {
    free('a', 1);
    free('b', 3);
    known.trimIdle(0);
    expect(slots('a', 'b')).toEqual([0, 0]);
    expect([known.warmCount, news.slice(2)]).toEqual([0, ['a cold', 'b cold']]);
  });
});

it('a new process at the address has no containers and has refused nothing', () => {
  free('a', 1);
  known.of('b').refusal.strike(clock.now(), () => 1);
  known.startOver();
  expect(slots('a')).toEqual([0]);
  expect(known.get('b')?.refusal.isActive(clock.now())).toBe(false);
  expect(news).toEqual(['a warm', 'a cold']);
});

it('a runner that leaves takes everything known about it along', () => {
  free('a', 1);
  known.forget();
  expect([known.get('a'), news]).toEqual([undefined, ['a warm', 'a cold']]);
});

describe('with more functions than can be remembered', () => {
  const fill = () => {
    for (let i = 0; i < 4096; i += 1) known.of(`fn${i}`);
  };

  it('those without activity are dropped, those in use stay', () => {
    known.of('busy').inFlight = 1;
    known.of('refused').refusal.strike(clock.now(), () => 1);
    free('warm', 1);
    fill();
    known.of('one more');
    expect(known.get('fn1')).toBeUndefined();
    for (const fnId of ['busy', 'refused', 'warm', 'one more'])
      expect([fnId, known.get(fnId)]).not.toEqual([fnId, undefined]);
  });

  it('nothing is dropped below the limit', () => {
    for (let i = 0; i < 4096; i += 1) known.of(`fn${i}`);
    expect(known.get('fn0')).toBeDefined();
    known.of('fn0');
    expect(known.get('fn1')).toBeDefined();
  });

  it('an expired refusal is no reason to remember', async () => {
    known.of('refused').refusal.strike(clock.now(), () => 1);
    await clock.advance(20);
    fill();
    known.of('one more');
    expect(known.get('refused')).toBeUndefined();
  });
});

it('the mean latency moves by a fifth towards the newest call', () => {
  const fixture = known.of('a');
  expect(fixture.latencyMs).toBeUndefined();
  fixture.addLatency(100);
  expect(fixture.latencyMs).toBe(100);
  fixture.addLatency(200);
  expect(fixture.latencyMs).toBe(120);
  fixture.addLatency(20);
  expect(fixture.latencyMs).toBe(100);
});

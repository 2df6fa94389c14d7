import { PeerError, RecordedMetrics } from '@fnfleet/core';
import { type AttemptOutcome, type LoadReport, NOTHING_CHECKED, type RunnerAbout } from '@fnfleet/protocol';
import { BUSY, FINISHED, FleetFixture, MB, requestFor } from '../test-fixture.js';

const metrics = RecordedMetrics.install();
const lost = (reason: 'unreachable' | 'lost' | 'closed'): AttemptOutcome => ({
  kind: 'refused',
  reason,
  error: new Error(reason),
});
const BROKEN: AttemptOutcome = { kind: 'failed', blame: 'runner', error: new Error('broke') };

describe('a runner that sends no reports', () => {
  it('is skipped for a while after a refusal, and only for that function', async () => {
    const fixture = new FleetFixture(1);
    fixture.call(0, BUSY);
    expect(fixture.at(0).ineligibleReason(requestFor('fn1'))).toBe('refused');
    expect(fixture.at(0).ineligibleReason(requestFor('fn2'))).toBeUndefined();
    expect(fixture.at(0).eligibleAgainAt(requestFor('fn1'))).toBe(fixture.clock.now() + 15);
    await fixture.clock.advance(15);
    expect(fixture.at(0).ineligibleReason(requestFor('fn1'))).toBeUndefined();
  });

  it('is skipped longer with each refusal, up to a second', async () => {
    const fixture = new FleetFixture(1);
    const pauses: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      fixture.call(0, BUSY);
      const until = fixture.at(0).eligibleAgainAt(requestFor()) ?? 0;
      pauses.push(until - fixture.clock.now());
      await fixture.clock.advance(until - fixture.clock.now());
    }
    expect(pauses).toEqual([15, 30, 60, 120, 240, 480, 750, 750]);
  });

  it('gets one attempt for each end of a call there, despite a refusal', () => {
    const fixture = new FleetFixture(1);
    fixture.at(0).offered(requestFor('fn2'));
    fixture.call(0, BUSY, 'fn1');
    fixture.at(0).ended(requestFor('fn2'), FINISHED, 10);
    expect(fixture.rooms).toContain('r0');
    expect(fixture.at(0).ineligibleReason(requestFor('fn1'))).toBeUndefined();
    fixture.at(0).offered(requestFor('fn1'));
    expect(fixture.at(0).ineligibleReason(requestFor('fn1'))).toBe('refused');
  });

  it('costs one attempt with a refusal, however many free containers were estimated', () => {
    const fixture = new FleetFixture(1);
    fixture.tell(0, { freeSlots: 3, memoryUsedBytes: 384 * MB, memoryIdleBytes: 384 * MB }, 'fn1');
    expect(fixture.at(0).freeSlots('fn1')).toBe(3);
    fixture.call(0, BUSY, 'fn1');
    expect(fixture.at(0).freeSlots('fn1')).toBe(0);
    expect(fixture.at(0).ineligibleReason(requestFor('fn1'))).toBe('refused');
    expect([...fixture.fleet.snapshot(fixture.runners).warm('fn1')]).toEqual([]);
  });

  it('gets one call, not all waiting ones, when a refusal has expired', async () => {
    const fixture = new FleetFixture(1);
    fixture.call(0, BUSY);
    await fixture.clock.advance(15);
    fixture.at(0).offered(requestFor());
    expect(fixture.at(0).ineligibleReason(requestFor())).toBe('refused');
  });

  it('has a free container after a successful call, until its idle timeout', async () => {
    const fixture = new FleetFixture(2);
    fixture.call(1, FINISHED);
    const warm = () => [...fixture.fleet.snapshot(fixture.runners).warm('fn1')].map(({ address }) => address);
    expect([warm(), fixture.at(1).freeSlots('fn1')]).toEqual([['r1'], 1]);
    await fixture.clock.advance(30_000);
    expect([warm(), fixture.at(1).freeSlots('fn1')]).toEqual([[], 0]);
  });
});

describe('a runner that reports its load', () => {
  it('is not offered a call for a new container without room, but is for a free one', () => {
    const fixture = new FleetFixture(1);
    fixture.tell(0, { memoryUsedBytes: 960 * MB, freeSlots: 1 }, 'fn1');
    expect(fixture.at(0).ineligibleReason(requestFor('fn2'))).toBe('no room');
    expect(fixture.at(0).ineligibleReason(requestFor('fn1'))).toBeUndefined();
    fixture.at(0).offered(requestFor('fn1'));
    expect(fixture.at(0).ineligibleReason(requestFor('fn1'))).toBe('no room');
  });

  it('has capacity in idle containers', () => {
    const fixture = new FleetFixture(1);
    fixture.tell(0, { memoryUsedBytes: 1024 * MB, memoryIdleBytes: 128 * MB });
    expect(fixture.at(0).ineligibleReason(requestFor('fn2', 128))).toBeUndefined();
    expect(fixture.at(0).ineligibleReason(requestFor('fn2', 129))).toBe('no room');
  });

  it('has no capacity that was offered away, until the next report', () => {
    const fixture = new FleetFixture(1);
    fixture.tell(0, { memoryUsedBytes: 768 * MB });
    fixture.at(0).offered(requestFor());
    fixture.at(0).offered(requestFor());
    expect(fixture.at(0).ineligibleReason(requestFor())).toBe('no room');
    fixture.tell(0, { memoryUsedBytes: 0 });
    expect(fixture.at(0).ineligibleReason(requestFor())).toBeUndefined();
  });

  it('has less capacity with calls in flight, even if a report does not have their containers yet', () => {
    const fixture = new FleetFixture(1);
    for (let i = 0; i < 8; i += 1) fixture.at(0).offered(requestFor(`fn${i}`));
    fixture.tell(0, { memoryUsedBytes: 0 });
    expect(fixture.at(0).ineligibleReason(requestFor('fn9'))).toBe('no room');
    fixture.at(0).ended(requestFor('fn0'), BUSY, 1);
    expect(fixture.at(0).ineligibleReason(requestFor('fn9'))).toBe('no room');
  });

  it('has capacity again after a call ended and the next report, whichever comes first', () => {
    const fixture = new FleetFixture(1);
    const [first, second] = [requestFor('a', 512), requestFor('b', 512)];
    fixture.at(0).offered(first);
    fixture.at(0).offered(second);
    fixture.at(0).ended(first, FINISHED, 10);
    fixture.tell(0, { memoryUsedBytes: 512 * MB });
    expect(fixture.at(0).ineligibleReason(requestFor('c', 512))).toBeUndefined();
    expect(fixture.at(0).ineligibleReason(requestFor('c', 513))).toBe('no room');
    fixture.runners[0]?.loads.emit({ ...fixture.at(0).load, memoryUsedBytes: 0 } as LoadReport, second.call);
    fixture.at(0).ended(second, FINISHED, 10);
    expect(fixture.at(0).ineligibleReason(requestFor('c', 1024))).toBeUndefined();
  });

  it('has lost the oldest free containers when its idle memory says so', () => {
    const fixture = new FleetFixture(1);
    fixture.at(0).offered(requestFor('old'));
    fixture.at(0).ended(requestFor('old'), FINISHED, 10);
    fixture.tell(0, { memoryUsedBytes: 128 * MB, memoryIdleBytes: 128 * MB, freeSlots: 1 }, 'old');
    fixture.tell(0, { memoryUsedBytes: 384 * MB, memoryIdleBytes: 384 * MB, freeSlots: 2 }, 'new');
    expect([fixture.at(0).freeSlots('old'), fixture.at(0).freeSlots('new')]).toEqual([1, 2]);
    fixture.tell(0, { memoryUsedBytes: 384 * MB, memoryIdleBytes: 256 * MB });
    expect([fixture.at(0).freeSlots('old'), fixture.at(0).freeSlots('new')]).toEqual([0, 2]);
    expect([...fixture.fleet.snapshot(fixture.runners).warm('old')]).toEqual([]);
    fixture.tell(0, { memoryUsedBytes: 384 * MB, memoryIdleBytes: 0 });
    expect(fixture.at(0).freeSlots('new')).toBe(0);
  });

  it('is not skipped because of an expired report', async () => {
    const fixture = new FleetFixture(1);
    fixture.tell(0, { memoryUsedBytes: 1024 * MB });
    expect(fixture.at(0).ineligibleReason(requestFor())).toBe('no room');
    const until = fixture.at(0).eligibleAgainAt(requestFor()) ?? 0;
    await fixture.clock.advance(until - fixture.clock.now());
    expect(fixture.at(0).ineligibleReason(requestFor())).toBeUndefined();
  });

  it('that drains gets no calls, until it has reported nothing for a while', async () => {
    const fixture = new FleetFixture(1);
    fixture.tell(0, { draining: true });
    expect(fixture.at(0).ineligibleReason(requestFor())).toBe('draining');
    await fixture.clock.advance(2000);
    expect(fixture.at(0).ineligibleReason(requestFor())).toBeUndefined();
  });

  it('that was replaced by another process is known afresh, and has a slow start', async () => {
    const fixture = new FleetFixture(1);
    fixture.tell(0, { freeSlots: 3 }, 'fn1');
    fixture.call(0, BUSY, 'fn2');
    expect(fixture.at(0).weight).toBe(1);
    fixture.tell(0, { instanceId: 'two' });
    expect(fixture.at(0).freeSlots('fn1')).toBe(0);
    expect(fixture.at(0).ineligibleReason(requestFor('fn2'))).toBeUndefined();
    expect(fixture.at(0).weight).toBe(0.1);
    await fixture.clock.advance(5000);
    expect(fixture.at(0).weight).toBe(0.5);
    await fixture.clock.advance(5000);
    expect(fixture.at(0).weight).toBe(1);
  });
});

describe('a runner that cannot be reached', () => {
  it.each(['unreachable', 'lost'] as const)(
    'with a call (%s) is left alone for a moment, longer each time',
    async (reason) => {
      const fixture = new FleetFixture(1);
      const pauses: number[] = [];
      for (let i = 0; i < 8; i += 1) {
        fixture.call(0, lost(reason));
        expect([fixture.at(0).ineligibleReason(requestFor('any')), fixture.at(0).trouble]).toEqual([
          'unreachable',
          reason,
        ]);
        const until = fixture.at(0).eligibleAgainAt(requestFor('any')) ?? 0;
        pauses.push(until - fixture.clock.now());
        await fixture.clock.advance(until - fixture.clock.now());
        expect(fixture.at(0).ineligibleReason(requestFor('any'))).toBeUndefined();
      }
      expect(pauses).toEqual([37.5, 75, 150, 300, 600, 1200, 1500, 1500]);
    },
  );

  it.each`
    what                      | happens
    ${'a call that succeeds'} | ${(fixture: FleetFixture) => fixture.call(0, FINISHED)}
    ${'a call that fails'}    | ${(fixture: FleetFixture) => fixture.call(0, BROKEN)}
    ${'a refusal'}            | ${(fixture: FleetFixture) => fixture.call(0, BUSY, 'other')}
    ${'a report'}             | ${(fixture: FleetFixture) => fixture.tell(0, {})}
  `('is reachable again after $what', ({ happens }) => {
    const fixture = new FleetFixture(2);
    fixture.call(0, lost('unreachable'));
    happens(fixture);
    expect([fixture.at(0).ineligibleReason(requestFor('any')), fixture.at(0).isUnreachable]).toEqual([
      undefined,
      false,
    ]);
  });

  it('by probes is left to the probes once it has missed two', async () => {
    const fixture = new FleetFixture(1);
    fixture.at(0).onProbeUnreachable(new Error('gone'));
    expect(fixture.at(0).eligibleAgainAt(requestFor())).toBe(fixture.clock.now() + 37.5);
    await fixture.clock.advance(100);
    fixture.at(0).onProbeUnreachable(new Error('gone'));
    expect(fixture.at(0).eligibleAgainAt(requestFor())).toBe(fixture.clock.now() + 3_000);
  });

  it('and that is closed is gone for good, with everything known about it', () => {
    const fixture = new FleetFixture(2);
    fixture.tell(0, { freeSlots: 1 }, 'fn1');
    fixture.call(0, lost('closed'), 'fn2');
    expect([
      fixture.at(0).ineligibleReason(requestFor()),
      fixture.at(0).isGone,
      fixture.at(0).freeSlots('fn1'),
    ]).toEqual(['gone', true, 0]);
    expect(fixture.runners[0]?.loads.isEmpty).toBe(true);
    expect([...fixture.fleet.snapshot(fixture.runners).warm('fn1')]).toEqual([]);
  });
});

describe('a runner that fails calls', () => {
  it('is ejected, counted once, and operators see why', async () => {
    metrics.reset();
    const fixture = new FleetFixture(10);
    for (let i = 0; i < 7; i += 1) fixture.call(0, BROKEN);
    expect([fixture.at(0).isEjected, fixture.at(0).trouble]).toEqual([true, 'broke']);
    expect(metrics.sum('lb_runner_ejected_count')).toBe(1);
    expect(fixture.at(0).eligibleAgainAt(requestFor())).toBe(fixture.clock.now() + 10_000);
    await fixture.clock.advance(10_000);
    fixture.call(0, BROKEN);
    expect(metrics.sum('lb_runner_ejected_count')).toBe(2);
  });

  it('and is replaced by another process is back in use', () => {
    const fixture = new FleetFixture(10);
    fixture.tell(0, {});
    for (let i = 0; i < 5; i += 1) fixture.call(0, BROKEN);
    expect(fixture.at(0).ineligibleReason(requestFor())).toBe('ejected');
    fixture.tell(0, { instanceId: 'two' });
    expect(fixture.at(0).ineligibleReason(requestFor())).toBeUndefined();
  });
});

describe('the end of a call', () => {
  it('frees no container if it failed, and does not count for the latency', () => {
    const fixture = new FleetFixture(2);
    fixture.call(0, BROKEN);
    expect([fixture.at(0).freeSlots('fn1'), fixture.at(0).latencyMs('fn1')]).toEqual([0, undefined]);
    fixture.call(0, FINISHED);
    expect([fixture.at(0).freeSlots('fn1'), fixture.at(0).latencyMs('fn1')]).toEqual([1, 10]);
  });

  it('does not count free containers if the runner reports them', () => {
    const fixture = new FleetFixture(1);
    fixture.tell(0, { freeSlots: 0 }, 'fn1');
    fixture.call(0, FINISHED);
    expect(fixture.at(0).freeSlots('fn1')).toBe(0);
  });

  it('with a report about no function changes nothing about free containers', () => {
    const fixture = new FleetFixture(1);
    fixture.tell(0, { freeSlots: 2 }, 'fn1');
    fixture.tell(0, { freeSlots: undefined }, 'fn1');
    expect(fixture.at(0).freeSlots('fn1')).toBe(2);
  });

  it('with a refusal means that no container is free for its function', () => {
    const fixture = new FleetFixture(1);
    fixture.tell(0, { freeSlots: 2 }, 'fn1');
    fixture.call(0, BUSY, 'fn1');
    expect(fixture.at(0).freeSlots('fn1')).toBe(0);
  });

  it('reduces the calls in flight, whatever the outcome', () => {
    const fixture = new FleetFixture(10);
    for (const outcome of [FINISHED, BROKEN, BUSY, lost('unreachable'), lost('closed')]) fixture.call(0, outcome);
    expect([fixture.at(0).inFlight, fixture.fleet.inFlight]).toEqual([0, 0]);
  });

  it('announces capacity, except for a refusal', () => {
    const fixture = new FleetFixture(2);
    fixture.rooms.length = 0;
    for (const outcome of [FINISHED, BROKEN, BUSY, lost('unreachable')]) fixture.call(0, outcome);
    expect(fixture.rooms).toEqual(['r0', 'r0']);
  });
});

describe('a skipped runner is checked again', () => {
  it('when the first of several reasons expires', async () => {
    const fixture = new FleetFixture(1);
    fixture.tell(0, { draining: true });
    fixture.call(0, BUSY);
    expect(fixture.at(0).eligibleAgainAt(requestFor())).toBe(fixture.clock.now() + 15);
    await fixture.clock.advance(15);
    expect(fixture.at(0).eligibleAgainAt(requestFor())).toBe(fixture.clock.now() + 1_985);
  });

  it('after a tenth of a second if it is unresponsive', () => {
    const fixture = new FleetFixture(1);
    Object.assign(fixture.runners[0] ?? {}, { isUnresponsive: true });
    expect(fixture.at(0).ineligibleReason(requestFor())).toBe('silent');
    expect(fixture.at(0).eligibleAgainAt(requestFor())).toBe(fixture.clock.now() + 100);
  });

  it('when its report expires, unless calls in flight will bring another', () => {
    const fixture = new FleetFixture(1);
    fixture.tell(0, { memoryUsedBytes: 1024 * MB });
    expect(fixture.at(0).eligibleAgainAt(requestFor())).toBe(fixture.clock.now() + 2_000);
    fixture.at(0).offered(requestFor());
    expect(fixture.at(0).eligibleAgainAt(requestFor())).toBeUndefined();
  });
});

describe('a runner that pulls the image of a function', () => {
  const IMAGE_COMES: AttemptOutcome = {
    kind: 'failed',
    blame: 'balancer',
    error: new PeerError(503, 'The image is being pulled', 'platform', '', 3_600),
  };
  const slow = { fnId: 'slow', image: 'img' };
  const others = [
    { fnId: 'other', image: 'img' },
    { ...slow, image: 'img:2' },
  ];
  const probe = (fixture: FleetFixture, ...images: string[]) => {
    const pulls = images.map((image) => ({ image, receivedBytes: 1, totalBytes: 2 }));
    const about = { pulls, nowMs: 0 } as unknown as RunnerAbout;
    fixture.at(0).onProbeSuccess({ ...NOTHING_CHECKED, load: fixture.at(0).load, about }, fixture.clock.now());
  };

  it('is known by a call that it refuses for that, until it must have been probed, or a call ends otherwise', async () => {
    const fixture = new FleetFixture(1);
    expect(fixture.at(0).isPulling(slow)).toBe(false);
    fixture.call(0, IMAGE_COMES, 'slow');
    expect([slow, others[0]].map((call) => fixture.at(0).isPulling(call ?? slow))).toEqual([true, false]);
    await fixture.clock.advance(9_999);
    expect(fixture.at(0).isPulling(slow)).toBe(true);
    await fixture.clock.advance(1);
    expect(fixture.at(0).isPulling(slow)).toBe(false);

    fixture.call(0, IMAGE_COMES, 'slow');
    fixture.call(0, BROKEN, 'slow');
    expect(fixture.at(0).isPulling(slow)).toBe(false);
  });

  it('is known by its answer to a probe, for every function with that image, until the next one', async () => {
    const fixture = new FleetFixture(1);
    probe(fixture, 'img:3', 'img');
    expect([slow, ...others].map((call) => fixture.at(0).isPulling(call))).toEqual([true, true, false]);
    await fixture.clock.advance(9_999);
    expect(fixture.at(0).isPulling(slow)).toBe(true);
    await fixture.clock.advance(1);
    expect(fixture.at(0).isPulling(slow)).toBe(false);

    probe(fixture, 'img');
    probe(fixture);
    expect(fixture.at(0).isPulling(slow)).toBe(false);
  });

  it('pulls nothing any more when its process is replaced', () => {
    const fixture = new FleetFixture(1);
    fixture.tell(0, {});
    fixture.call(0, IMAGE_COMES, 'slow');
    probe(fixture, 'img');
    fixture.tell(0, { instanceId: 'two' });
    expect(fixture.at(0).isPulling(slow)).toBe(false);
  });
});

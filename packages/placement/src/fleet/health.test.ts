import { CancelledError, later } from '@fnfleet/core';
import { type AttemptBlame, type AttemptOutcome, GRPC_STATUS, NOTHING_CHECKED, StreamError } from '@fnfleet/protocol';
import type { Runner } from '../runner.js';
import { BUSY, FINISHED, FleetFixture, requestFor } from '../test-fixture.js';
import { Prober } from './prober.js';

const failed = (blame: AttemptBlame): AttemptOutcome => ({ kind: 'failed', blame, error: new Error('broke') });
const BROKEN = failed('runner');

function repeat(times: number, action: () => void): void {
  for (let i = 0; i < times; i += 1) action();
}

describe('a runner that keeps failing', () => {
  it('is ejected after five consecutive failures, and comes back on probation', async () => {
    const fixture = new FleetFixture(10);
    repeat(4, () => fixture.call(0, BROKEN));
    fixture.call(0, FINISHED);
    repeat(4, () => fixture.call(0, BROKEN));
    expect(fixture.at(0).ineligibleReason(requestFor())).toBeUndefined();
    fixture.call(0, BROKEN);
    expect(fixture.at(0).ineligibleReason(requestFor())).toBe('ejected');

    await fixture.clock.advance(10_000);
    expect(fixture.at(0).ineligibleReason(requestFor())).toBeUndefined();
    fixture.call(0, BROKEN);
    await fixture.clock.advance(10_000);
    expect(fixture.at(0).ineligibleReason(requestFor())).toBe('ejected');
    await fixture.clock.advance(10_000);
    expect(fixture.at(0).ineligibleReason(requestFor())).toBeUndefined();
  });

  it.each<[string, AttemptOutcome]>([
    ['being full', BUSY],
    ['a function that fails', failed('function')],
    ['a caller who leaves, or asks for what there is not', failed('caller')],
    ['a call that runs out of time', failed('balancer')],
  ])('%s is not a failure of the runner', (_, outcome) => {
    const fixture = new FleetFixture(10);
    repeat(50, () => fixture.call(0, outcome, `fn${Math.random()}`));
    expect(fixture.at(0).isEjected).toBe(false);
  });

  it('a caller who leaves between two failures of the runner does not reset the count', () => {
    const fixture = new FleetFixture(10);
    repeat(5, () => {
      fixture.call(0, failed('caller'));
      fixture.call(0, BROKEN);
    });
    expect(fixture.at(0).isEjected).toBe(true);
  });

  it('no more than three of ten are ejected, and never the last', () => {
    const ten = new FleetFixture(10);
    for (let i = 0; i < 10; i += 1) repeat(5, () => ten.call(i, BROKEN));
    expect(ten.states.filter(({ isEjected }) => isEjected)).toHaveLength(3);

    const one = new FleetFixture(1);
    repeat(20, () => one.call(0, BROKEN));
    expect(one.at(0).isEjected).toBe(false);
  });

  it('with most of the fleet unhealthy, ejected runners get calls again', async () => {
    const fixture = new FleetFixture(10);
    repeat(5, () => fixture.call(0, BROKEN));
    expect(fixture.at(0).ineligibleReason(requestFor())).toBe('ejected');
    for (let i = 1; i < 6; i += 1) fixture.at(i).onProbeUnreachable(new Error('gone'));
    await fixture.clock.advance(1);
    for (let i = 1; i < 6; i += 1) repeat(3, () => fixture.at(i).onProbeUnreachable(new Error('gone')));
    await fixture.clock.advance(100);
    expect(fixture.at(0).ineligibleReason(requestFor())).toBeUndefined();
  });

  it('FN_EJECT_FAILURES=0 ejects no runner', () => {
    const fixture = new FleetFixture(10, { ejectFailures: 0 });
    repeat(50, () => fixture.call(0, BROKEN));
    expect(fixture.at(0).isEjected).toBe(false);
  });
});

describe('probes', () => {
  function probing(fixture: FleetFixture): Prober {
    const prober = new Prober(fixture.clock, 5000, () => fixture.states);
    prober.start();
    return prober;
  }

  it('end with the balancer: those under way are aborted, and no more are sent', async () => {
    const fixture = new FleetFixture(20);
    let asked = 0;
    for (const runner of fixture.runners as readonly Runner[]) {
      runner.status = (signal) => {
        asked += 1;
        return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
      };
    }
    const prober = probing(fixture);
    const all = prober.askAll(1_000);
    expect(asked).toBe(16);
    prober.close();
    await fixture.clock.advance(1_000);
    await all;
    prober.start();
    expect([asked, fixture.clock.pendingTimers]).toEqual([16, 0]);
  });

  it('are sent to runners that have reported nothing lately', async () => {
    const fixture = new FleetFixture(2);
    const asked: string[] = [];
    for (const runner of fixture.runners) {
      runner.status = async () => {
        asked.push(runner.address);
        return NOTHING_CHECKED;
      };
    }
    const prober = probing(fixture);
    await fixture.clock.advance(4000);
    expect(asked).toEqual(['r0', 'r1']);
    fixture.tell(0, {});
    await fixture.clock.advance(1500);
    expect(asked.slice(2)).toEqual(['r1']);
    await fixture.clock.advance(3500);
    expect(asked.slice(3)).toEqual(['r0']);
    prober.close();
    expect(fixture.clock.pendingTimers).toBe(0);
  });

  it('are sent to all runners at once on request, which waits no longer than its limit', async () => {
    const fixture = new FleetFixture(3);
    const [quick, slow, gone] = fixture.runners;
    const asked: string[] = [];
    if (quick && slow && gone) {
      quick.status = async () => {
        asked.push('quick');
        return NOTHING_CHECKED;
      };
      slow.status = (signal?: AbortSignal) =>
        new Promise<never>((_, reject) => signal?.addEventListener('abort', () => reject(new CancelledError())));
      gone.status = () => Promise.reject(new StreamError(GRPC_STATUS.UNAVAILABLE, 'ECONNREFUSED', true));
    }
    const prober = probing(fixture);
    let over = false;
    void prober.askAll(1000).then(() => {
      over = true;
    });
    await fixture.clock.advance(0);
    expect([asked, fixture.at(2).condition, over]).toEqual([['quick'], 'unreachable', false]);
    await fixture.clock.advance(1000);
    expect(over).toBe(true);
    prober.close();
    expect(fixture.clock.pendingTimers).toBe(0);
  });

  it('find out which runners are gone and which are back', async () => {
    const fixture = new FleetFixture(1);
    const [runner] = fixture.runners;
    let there = false;
    if (runner) {
      runner.status = async () => {
        if (!there) throw new StreamError(GRPC_STATUS.UNAVAILABLE, 'ECONNREFUSED', true);
        return NOTHING_CHECKED;
      };
    }
    const prober = new Prober(fixture.clock, 10, () => fixture.states);
    prober.round();
    await fixture.clock.advance(0);
    expect(fixture.at(0).ineligibleReason(requestFor())).toBe('unreachable');
    there = true;
    fixture.rooms.length = 0;
    await fixture.clock.advance(11);
    prober.round();
    await fixture.clock.advance(0);
    expect(fixture.at(0).ineligibleReason(requestFor())).toBeUndefined();
    expect(fixture.rooms).toEqual(['r0']);
    prober.close();
  });

  it.each([
    ['takes too long', GRPC_STATUS.DEADLINE_EXCEEDED],
    ['is refused by the runner', GRPC_STATUS.UNAVAILABLE],
    ['is reset, as by ENHANCE_YOUR_CALM', GRPC_STATUS.RESOURCE_EXHAUSTED],
    ['is not served', GRPC_STATUS.UNIMPLEMENTED],
  ])('that %s eject no runner, and are sent again in their turn', async (_, code) => {
    const fixture = new FleetFixture(1);
    const [runner] = fixture.runners;
    let asked = 0;
    if (runner) {
      runner.status = async () => {
        asked += 1;
        throw new StreamError(code, 'no status');
      };
    }
    const prober = probing(fixture);
    for (let s = 0; s < 20; s += 1) {
      fixture.call(0, FINISHED);
      expect(fixture.at(0).ineligibleReason(requestFor())).toBeUndefined();
      expect(fixture.at(0).condition).toBe('ok');
      await fixture.clock.advance(1000);
    }
    expect(asked).toBe(4);
    prober.close();
    expect(fixture.clock.pendingTimers).toBe(0);
  });

  it('that fail do not matter if the runner answered a call meanwhile', async () => {
    const fixture = new FleetFixture(1);
    const [runner] = fixture.runners;
    let fail: (error: Error) => void = () => undefined;
    if (runner) runner.status = () => new Promise<never>((_, reject) => (fail = reject));
    const prober = new Prober(fixture.clock, 5000, () => fixture.states);
    prober.round();
    await fixture.clock.advance(10);
    fixture.call(0, BUSY, 'fn2');
    fail(new StreamError(GRPC_STATUS.UNAVAILABLE, 'no connection', true));
    await fixture.clock.advance(0);
    expect(fixture.at(0).condition).toBe('ok');
    await fixture.clock.advance(5000);
    prober.round();
    fail(new StreamError(GRPC_STATUS.UNAVAILABLE, 'no connection', true));
    await fixture.clock.advance(0);
    expect(fixture.at(0).condition).toBe('unreachable');
    prober.close();
  });

  it('that fail say nothing about reachability; those under way end with the prober', async () => {
    const fixture = new FleetFixture(2);
    const [slow, ill] = fixture.runners;
    let aborted = false;
    if (slow && ill) {
      slow.status = (signal?: AbortSignal) =>
        new Promise<never>((_, reject) =>
          signal?.addEventListener('abort', () => {
            aborted = true;
            reject(new CancelledError());
          }),
        );
      ill.status = () => Promise.reject(new StreamError(GRPC_STATUS.DEADLINE_EXCEEDED, 'too slow'));
    }
    const prober = new Prober(fixture.clock, 10, () => fixture.states);
    prober.round();
    await fixture.clock.advance(0);
    expect(fixture.at(1).ineligibleReason(requestFor())).toBeUndefined();
    prober.close();
    expect(aborted).toBe(true);
    expect(fixture.at(0).ineligibleReason(requestFor())).toBeUndefined();
  });

  it('learn the identity of a runner and its clock skew, even if it reports its load all the time', async () => {
    const fixture = new FleetFixture(1);
    const [runner] = fixture.runners;
    let answers = 0;
    if (runner) {
      runner.status = async () => {
        answers += 1;
        await fixture.clock.sleep(200);
        const about = {
          name: 'box',
          version: '1',
          nowMs: later(fixture.clock.wallNow(), 900),
          hotFunctions: 0,
          hotContainers: 0,
          pulls: [],
        };
        return { ...NOTHING_CHECKED, load: fixture.at(0).load, about: { ...about, httpPort: 8080 } };
      };
    }
    const prober = probing(fixture);
    prober.round();
    await fixture.clock.advance(200);
    expect(fixture.at(0).identity).toMatchObject({ about: { name: 'box' }, clockSkewMs: 1000, uncertaintyMs: 100 });
    for (let s = 0; s < 11; s += 1) {
      fixture.tell(0, {});
      await fixture.clock.advance(1000);
    }
    expect(answers).toBe(2);
    fixture.tell(0, { instanceId: 'another' });
    expect(fixture.at(0).identity).toBeUndefined();
    prober.round();
    await fixture.clock.advance(200);
    expect(answers).toBe(3);
    prober.close();
  });

  it('notice that a runner of Fn has replaced one of ours', async () => {
    const fixture = new FleetFixture(1);
    fixture.tell(0, { draining: true });
    expect(fixture.at(0).condition).toBe('draining');
    await fixture.clock.advance(10_000);
    expect(fixture.at(0).condition).toBe('draining');
    const prober = probing(fixture);
    prober.round();
    await fixture.clock.advance(0);
    expect(fixture.at(0).condition).toBe('ok');
    expect(fixture.at(0).load).toBeUndefined();
    prober.close();
  });
});

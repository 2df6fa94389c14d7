import { count, FakeClock, RecordedMetrics } from '@fnfleet/core';
import type { ScriptedFunction } from '@fnfleet/drivers';
import { echo, HeldFunction, NOTHING_LEFT, outcomeOf, TestAgent } from './test-kit/test-agent.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

let test: TestAgent;
let clock: FakeClock;

function setUp(functions: Record<string, ScriptedFunction>, freezeIdleMs = 50): void {
  clock = new FakeClock();
  test = new TestAgent(functions, { clock, settings: { freezeIdleMs } });
}

beforeEach(() => metrics.reset());
afterEach(async () => {
  expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
});

const frozen = () => test.driver.containers.filter(({ isPaused }) => isPaused).length;
/** Lets everything happen that needs no time to pass. */
async function settle(until: () => boolean): Promise<void> {
  while (!until()) await clock.advance(0);
}

it('agent-and-docker 33: an idle container is frozen after 50 ms, and the next call thaws it', async () => {
  setUp({ echo });
  await test.answer({});
  await clock.advance(49);
  expect(frozen()).toBe(0);
  await clock.advance(1);
  await settle(() => metrics.sum('container_paused_total') === 1);
  expect(metrics.sum('container_idle_total')).toBe(0);
  const { body } = await test.answer({ body: 'again' });
  expect(body.toString()).toBe('again');
  expect(test.driver.counters).toMatchObject({ created: 1, paused: 1, resumed: 1 });
  // Before its first call, and until it was frozen.
  expect(metrics.values('container_idle_duration_seconds')).toEqual([0, 50]);
  expect(metrics.values('container_paused_duration_seconds')).toHaveLength(1);
});

it('agent-and-docker 34: a negative time never freezes, and 0 freezes at once', async () => {
  setUp({ echo }, Number.POSITIVE_INFINITY);
  await test.answer({});
  await clock.advance(10_000);
  expect(test.driver.counters.paused).toBe(0);
  expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);

  setUp({ echo }, 0);
  await test.answer({});
  await clock.advance(0);
  await settle(() => frozen() === 1);
});

it('freezes once per idle period, and not between consecutive calls', async () => {
  setUp({ echo });
  for (let calls = 0; calls < 5; calls += 1) {
    await test.answer({});
    await clock.advance(40);
  }
  expect(test.driver.counters.paused).toBe(0);
  await clock.advance(10_000);
  expect(test.driver.counters.paused).toBe(1);
});

it('a frozen container is removed at the end of its idle timeout', async () => {
  setUp({ echo });
  await test.answer({ idleTimeoutSeconds: 1 });
  await clock.advance(1_000);
  await settle(() => test.driver.counters.live === 0);
  expect(test.driver.counters.resumed).toBe(0);
});

it('agent-and-docker 88: a container that is removed during a freeze is in no gauge afterwards', async () => {
  setUp({ echo });
  await test.answer({ idleTimeoutSeconds: 1 });
  test.driver.gates.pause.hold();
  await clock.advance(50);
  await test.driver.gates.pause.reached();
  await clock.advance(950);
  test.driver.gates.pause.release();
  await settle(() => test.driver.counters.live === 0);
  expect(metrics.sum('container_paused_total')).toBe(0);
});

it('agent-and-docker 40: a container that cannot be frozen is removed, and no call gets it', async () => {
  setUp({ stubborn: { ...echo, pauseError: new Error('freezer is stuck') } });
  await test.answer({ image: 'stubborn' });
  await clock.advance(50);
  await settle(() => test.driver.counters.live === 0);
  await test.answer({ image: 'stubborn' });
  expect(test.driver.counters.created).toBe(2);
});

it('agent-and-docker 41: a container that cannot be thawed fails its call and is removed', async () => {
  setUp({ lost: { ...echo, resumeError: new Error('freezer is stuck') } });
  await test.answer({ image: 'lost' });
  await clock.advance(50);
  await settle(() => frozen() === 1);
  const { done } = await test.invoke({ image: 'lost' });
  await expect(done).rejects.toMatchObject({ status: 502, message: 'error receiving function response' });
  await settle(() => test.driver.counters.live === 0);
  await test.answer({ image: 'lost' });
  expect(test.driver.counters.created).toBe(2);
});

it('a call that arrives during a freeze is served after the thaw', async () => {
  setUp({ echo });
  await test.answer({});
  test.driver.gates.pause.hold();
  await clock.advance(50);
  await test.driver.gates.pause.reached();
  const { done } = await test.invoke({});
  test.driver.gates.pause.release();
  await done;
  expect(test.driver.counters).toMatchObject({ created: 1, paused: 1, resumed: 1 });
  expect(frozen()).toBe(0);
});

it('a call that arrives while a freeze fails is served, and then the container is removed', async () => {
  const held = new HeldFunction();
  setUp({ stubborn: { ...held, pauseError: new Error('freezer is stuck') } });
  const first = await test.invoke({ image: 'stubborn' });
  await held.arrived(1);
  held.answer(0);
  await first.done;
  test.driver.gates.pause.hold();
  await clock.advance(50);
  await test.driver.gates.pause.reached();
  const { done } = await test.invoke({ image: 'stubborn' });
  test.driver.gates.pause.release();
  await held.arrived(2);
  held.answer(1);
  expect(await outcomeOf(done)).toBe('ok');
  await settle(() => test.driver.counters.live === 0);
});

it('H5: the call does not wait for the thaw: the written request waits in the socket', async () => {
  setUp({ echo });
  await test.answer({});
  await clock.advance(50);
  await settle(() => frozen() === 1);
  test.driver.gates.resume.hold();
  const { done } = await test.invoke({ body: 'early' });
  await test.driver.gates.resume.reached();
  // It is connected while it is still frozen.
  await settle(() => test.driver.containers[0]?.connections === 1);
  test.driver.gates.resume.release();
  await done;
});

/** As many turns of the event loop as anything here needs. */
async function quiet(): Promise<void> {
  for (let turns = 0; turns < 20; turns += 1) await clock.advance(0);
}

it('requests to the driver do not overlap: a container is closed after a pending freeze', async () => {
  setUp({ echo });
  const { gates } = test.driver;
  await test.answer({ idleTimeoutSeconds: 1 });
  gates.pause.hold();
  gates.close.hold();
  await clock.advance(50);
  await gates.pause.reached();
  await clock.advance(950);
  await quiet();
  expect([gates.pause.waiting, gates.close.waiting]).toEqual([1, 0]);
  gates.pause.release();
  await gates.close.reached();
});

it('requests to the driver do not overlap: a container is closed or frozen after a pending thaw', async () => {
  setUp({ echo });
  const { gates } = test.driver;
  await test.answer({ idleTimeoutSeconds: 1 });
  await clock.advance(50);
  await settle(() => frozen() === 1);
  gates.resume.hold();
  gates.pause.hold();
  gates.close.hold();
  // Claimed, and given back before it served.
  test.agent.addCallListener({ beforeCall: () => Promise.reject(new Error('not now')) });
  expect(await test.outcome({ idleTimeoutSeconds: 1 })).toBe('Error');
  await gates.resume.reached();
  await clock.advance(50);
  await quiet();
  expect([gates.resume.waiting, gates.pause.waiting]).toEqual([1, 0]);
  await clock.advance(1_000);
  await quiet();
  expect([gates.resume.waiting, gates.close.waiting]).toEqual([1, 0]);
  gates.resume.release();
  await gates.pause.reached();
  expect(gates.close.waiting).toBe(0);
  gates.pause.release();
  await gates.close.reached();
});

it('requests to the driver do not overlap: a container whose call times out during the thaw is closed after it', async () => {
  setUp({ echo });
  const { gates } = test.driver;
  await test.answer({});
  await clock.advance(50);
  await settle(() => frozen() === 1);
  gates.resume.hold();
  gates.close.hold();
  const call = await test.invoke({ timeoutSeconds: 30 });
  await gates.resume.reached();
  await clock.advance(30_000);
  expect(await outcomeOf(call.done)).toBe('callTimeout');
  await quiet();
  expect([gates.resume.waiting, gates.close.waiting]).toEqual([1, 0]);
  gates.resume.release();
  await gates.close.reached();
});

it('eviction removes frozen containers and counts them as such', async () => {
  clock = new FakeClock();
  test = new TestAgent({ echo, other: echo }, { clock, memoryMb: 128, settings: { freezeIdleMs: 50 } });
  await test.answer({});
  await clock.advance(50);
  await settle(() => frozen() === 1);
  await test.answer({ image: 'other' });
  expect(metrics.sum('container_evictions', { container_state: 'paused' })).toBe(1);
});

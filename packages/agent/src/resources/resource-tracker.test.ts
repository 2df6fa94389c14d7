import { FnError, RecordedMetrics } from '@fnfleet/core';
import { ResourceTracker } from './resource-tracker.js';

const metrics = RecordedMetrics.install();

const need = (memoryBytes: number, cpuMillis = 0) => ({ memoryBytes, cpuMillis });
const never = new AbortController().signal;

describe('the resource tracker', () => {
  it('agent-and-docker 50: counts memory and CPU, releases them once, and adds up to the totals', () => {
    const tracker = new ResourceTracker(need(100, 1000));
    const token = tracker.tryReserve(need(60, 400));
    expect(tracker.used).toEqual(need(60, 400));
    expect(tracker.tryReserve(need(41))).toBeUndefined();
    expect(tracker.tryReserve(need(1, 601))).toBeUndefined();
    token?.release();
    token?.release();
    expect(tracker.used).toEqual(need(0, 0));
  });

  it('refuses at once what could never fit', async () => {
    const tracker = new ResourceTracker(need(100));
    await expect(tracker.reserve(need(101), never)).rejects.toEqual(new FnError('resourceTooBig'));
  });

  it('R1: serves in order of arrival; a small request does not overtake a big one', async () => {
    const tracker = new ResourceTracker(need(100));
    const held = tracker.tryReserve(need(60));
    const order: string[] = [];
    const big = tracker.reserve(need(80), never).then(() => order.push('big'));
    const small = tracker.reserve(need(20), never).then(() => order.push('small'));
    expect(tracker.tryReserve(need(20))).toBeUndefined();
    held?.release();
    await Promise.all([big, small]);
    expect(order).toEqual(['big', 'small']);
    expect(tracker.used).toEqual(need(100));
  });

  it('R1: when the first gives up, those behind it are served', async () => {
    const tracker = new ResourceTracker(need(100));
    tracker.tryReserve(need(60));
    const caller = new AbortController();
    const big = tracker.reserve(need(80), caller.signal);
    const small = tracker.reserve(need(20), never);
    caller.abort(new Error('enough'));
    await expect(big).rejects.toThrow('enough');
    await small;
    expect(tracker.waiting).toBe(0);
  });

  it('R3: grants an empty request even when full and when others wait', async () => {
    const tracker = new ResourceTracker(need(100));
    const held = tracker.tryReserve(need(100));
    const waiting = tracker.reserve(need(50), never);
    expect(tracker.tryReserve(need(0))).toBeDefined();
    held?.release();
    await waiting;
  });

  it('the shortage includes announced releases and waiting requests', async () => {
    const tracker = new ResourceTracker(need(100));
    const first = tracker.tryReserve(need(60));
    tracker.tryReserve(need(40));
    expect(tracker.shortage(need(50))).toEqual(need(50));
    first?.announceRelease();
    expect(tracker.shortage(need(50))).toEqual(need(0));
    const waiting = tracker.reserve(need(50), never);
    expect(tracker.shortage(need(50))).toEqual(need(40));
    first?.release();
    await waiting;
    expect(tracker.shortage(need(10))).toEqual(need(0));
    expect(tracker.shortage(need(11))).toEqual(need(1));
  });

  it('the shortage includes both memory and CPU, for the caller and for the longest waiting request', async () => {
    const tracker = new ResourceTracker(need(100, 1000));
    const held = tracker.tryReserve(need(70, 800));
    expect(tracker.headShortage()).toBeUndefined();
    const first = tracker.reserve(need(50, 500), never);
    const second = tracker.reserve(need(90, 100), never);
    expect(tracker.headShortage()).toEqual(need(20, 300));
    expect(tracker.shortage(need(10, 10))).toEqual(need(120, 410));
    held?.announceRelease();
    held?.announceRelease();
    expect(tracker.headShortage()).toEqual(need(0, 0));
    expect(tracker.shortage(need(10, 10))).toEqual(need(50, 0));
    held?.release();
    held?.release();
    (await first).release();
    await second;
    expect(tracker.used).toEqual(need(90, 100));
    expect(tracker.shortage(need(10, 901))).toEqual(need(0, 1));
  });

  it('a released token cannot be announced', () => {
    const tracker = new ResourceTracker(need(100));
    const token = tracker.tryReserve(need(60));
    token?.release();
    token?.announceRelease();
    tracker.tryReserve(need(100));
    expect(tracker.shortage(need(10))).toEqual(need(10));
  });

  it.each`
    asked              | possible
    ${need(100, 1000)} | ${true}
    ${need(101, 0)}    | ${false}
    ${need(0, 1001)}   | ${false}
  `('$asked of 100 bytes and 1000 millis is possible: $possible', ({ asked, possible }) => {
    expect(new ResourceTracker(need(100, 1000)).isPossible(asked)).toBe(possible);
  });

  it('a request whose signal has aborted does not wait', async () => {
    const tracker = new ResourceTracker(need(100));
    await expect(tracker.reserve(need(10), AbortSignal.abort(new Error('left')))).rejects.toThrow('left');
    expect([tracker.used, tracker.waiting]).toEqual([need(0), 0]);
  });

  it('reports starvation whenever a request still waits after a change, and only then', async () => {
    const tracker = new ResourceTracker(need(100));
    let starved = 0;
    tracker.onStarved = () => {
      starved += 1;
    };
    const small = tracker.tryReserve(need(10));
    const large = tracker.tryReserve(need(90));
    const waiting = tracker.reserve(need(50), never);
    expect(starved).toBe(0);
    small?.release();
    expect(starved).toBe(1);
    large?.release();
    (await waiting).release();
    expect(starved).toBe(1);
  });

  it('the gauges show used and free resources, and nothing once it is closed', () => {
    metrics.reset();
    const gauges = () =>
      (['util_mem_used', 'util_mem_avail', 'util_cpu_used', 'util_cpu_avail'] as const).map((name) =>
        metrics.sum(name),
      );
    const tracker = new ResourceTracker(need(100, 1000));
    expect(gauges()).toEqual([0, 100, 0, 1000]);
    const token = tracker.tryReserve(need(60, 400));
    expect(gauges()).toEqual([60, 40, 400, 600]);
    token?.release();
    tracker.close();
    expect(gauges()).toEqual([0, 0, 0, 0]);
  });
});

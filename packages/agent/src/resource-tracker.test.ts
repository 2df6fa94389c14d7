import { FnError } from '@fnfleet/core';
import { ResourceTracker } from './resource-tracker.js';

const need = (memoryBytes: number, cpuMillis = 0) => ({ memoryBytes, cpuMillis });
const never = new AbortController().signal;

describe('the resource tracker', () => {
  it('agent-and-docker 50: counts memory and CPU, gives back once, and sums to the totals', () => {
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

  it('R1: serves in order of arrival; a small need does not overtake a big one', async () => {
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
    const patience = new AbortController();
    const big = tracker.reserve(need(80), patience.signal);
    const small = tracker.reserve(need(20), never);
    patience.abort(new Error('enough'));
    await expect(big).rejects.toThrow('enough');
    await small;
    expect(tracker.waiting).toBe(0);
  });

  it('R3: grants nothing at all even when full and when others wait', async () => {
    const tracker = new ResourceTracker(need(100));
    const held = tracker.tryReserve(need(100));
    const waiting = tracker.reserve(need(50), never);
    expect(tracker.tryReserve(need(0))).toBeDefined();
    held?.release();
    await waiting;
  });

  it('counts what is about to be released, and those who wait, into the shortage', async () => {
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
});

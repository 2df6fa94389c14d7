import { MIB } from '@fnfleet/core';
import { VirtualClock } from '../virtual-clock.js';
import { type Ending, Machine, type MachineModel } from './machine.js';
import { SimulatedCall } from './simulated-call.js';

const never = () => false;

/** A machine of 300 MB, calls of 100 ms and starts of 50 ms. */
class Bench {
  readonly clock = new VirtualClock();
  readonly machine: Machine;
  readonly endings: string[] = [];
  private calls = 0;

  constructor(model: Partial<MachineModel> = {}) {
    this.machine = new Machine('m', { memoryMb: 300, keepAliveMs: 1000, queues: false, ...model }, this.clock);
  }

  offer(fnId: string, memoryMb = 100): SimulatedCall | 'refused' {
    const call = new SimulatedCall({ appId: 'a', fnId, memoryMb }, this.calls++, this.clock.now(), 100, 50);
    const ended = (how: Ending) => this.endings.push(`${fnId} ${how}@${this.clock.now()}`);
    return this.machine.offer(call, ended) ? call : 'refused';
  }

  async at<T>(ms: number, action: () => T): Promise<T> {
    let result: T | undefined;
    this.clock.after(ms - this.clock.now(), () => {
      result = action();
    });
    await this.clock.run(() => result !== undefined && this.clock.now() >= ms);
    return result as T;
  }
}

it('starts a container, keeps it, and reuses it', async () => {
  const bench = new Bench();
  expect(bench.offer('f')).toMatchObject({ cold: true });
  expect(await bench.at(200, () => bench.offer('f'))).toMatchObject({ cold: false });
  await bench.clock.run(never);
  expect(bench.endings).toEqual(['f finished@150', 'f finished@300']);
  expect(bench.machine).toMatchObject({ busyMb: 0, memoryUsedMb: 100, active: 0 });
  expect(bench.machine.busyMbMs).toBe(100 * 250);
});

it('removes an idle container after its timeout', async () => {
  const bench = new Bench();
  bench.offer('f');
  expect(await bench.at(1149, () => bench.machine.load('f').freeSlots)).toBe(1);
  expect(await bench.at(1150, () => bench.machine.load('f'))).toMatchObject({ freeSlots: 0, memoryUsedBytes: 0 });
  expect(await bench.at(1151, () => bench.offer('f'))).toMatchObject({ cold: true });
});

it('refuses if calls hold the memory, and evicts idle containers, the oldest first, if only they do', async () => {
  const bench = new Bench();
  for (const fnId of ['f', 'g', 'h']) bench.offer(fnId);
  expect(bench.offer('i')).toBe('refused');
  const removed: string[] = [];
  bench.machine.removalListeners.push((fnId) => removed.push(fnId));
  expect(await bench.at(200, () => bench.offer('i', 150))).toMatchObject({ cold: true });
  expect(removed).toEqual(['f', 'g']);
  expect(bench.machine.load().memoryUsedBytes).toBe(250 * MIB);
  expect(bench.machine.load().memoryIdleBytes).toBe(100 * MIB);
});

it('serves queued calls in order of arrival', async () => {
  const bench = new Bench({ queues: true, memoryMb: 100 });
  for (const fnId of ['f', 'g', 'f']) bench.offer(fnId);
  expect(bench.machine.load()).toMatchObject({ active: 3, waiting: 2 });
  await bench.clock.run(never);
  expect(bench.endings).toEqual(['f finished@150', 'g finished@300', 'f finished@450']);
});

it('a crash loses calls that have not started, cuts those that have, and the machine restarts empty', async () => {
  const bench = new Bench({ queues: true });
  bench.offer('f');
  await bench.at(60, () => bench.offer('g', 200));
  await bench.at(70, () => bench.offer('h', 200));
  const before = bench.machine.load().instanceId;
  await bench.at(80, () => bench.machine.kill() ?? true);
  expect(bench.endings).toEqual(['f cut@80', 'g lost@80', 'h lost@80']);
  expect(bench.machine).toMatchObject({ busyMb: 0, memoryUsedMb: 0, active: 0 });
  expect(bench.clock.pendingTimers).toBe(0);
  bench.machine.restart();
  expect(bench.machine.load().instanceId).not.toBe(before);
});

it('a draining machine takes no new calls and finishes those in flight', async () => {
  const bench = new Bench();
  bench.offer('f');
  bench.machine.draining = true;
  expect(bench.offer('f')).toBe('refused');
  await bench.clock.run(never);
  expect(bench.endings).toEqual(['f finished@150']);
});

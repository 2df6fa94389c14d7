import { LaunchGate } from './launch-gate.js';

const never = new AbortController().signal;

it('lets so many in, and the others in order of arrival', async () => {
  const gate = new LaunchGate(2);
  const order: number[] = [];
  const leavers: (() => void)[] = [];
  const all = [0, 1, 2, 3].map(async (number) => {
    leavers[number] = await gate.enter(never);
    order.push(number);
  });
  await new Promise(setImmediate);
  expect(order).toEqual([0, 1]);
  leavers[1]?.();
  leavers[1]?.(); // idempotent
  await new Promise(setImmediate);
  expect(order).toEqual([0, 1, 2]);
  leavers[0]?.();
  await Promise.all(all);
  expect(order).toEqual([0, 1, 2, 3]);
});

it('one who gives up takes no place', async () => {
  const gate = new LaunchGate(1);
  const leave = await gate.enter(never);
  const impatient = new AbortController();
  const waiting = gate.enter(impatient.signal);
  const next = gate.enter(never);
  impatient.abort(new Error('gave up'));
  await expect(waiting).rejects.toThrow('gave up');
  await expect(gate.enter(impatient.signal)).rejects.toThrow('gave up');
  leave();
  (await next)();
  (await gate.enter(never))();
});

import { atTurnEnd } from './turn.js';

it('an exception at the end of a turn does not hold back others, and is reported', async () => {
  const done: string[] = [];
  const nextTick = jest.spyOn(process, 'nextTick').mockImplementation((act) => {
    try {
      (act as () => void)();
    } catch (error) {
      done.push((error as Error).message);
    }
  });
  try {
    atTurnEnd(() => {
      throw new Error('a fault');
    });
    atTurnEnd(() => {
      done.push('the other');
      atTurnEnd(() => done.push('of the next turn'));
    });
    await new Promise<void>((resolve) => setImmediate(() => setImmediate(() => resolve())));
  } finally {
    nextTick.mockRestore();
  }
  expect(done).toEqual(['a fault', 'the other', 'of the next turn']);
});

it('one immediate of the event loop serves all of a turn', async () => {
  const timers = jest.spyOn(globalThis, 'setImmediate');
  const acts: number[] = [];
  for (const act of [1, 2, 3]) atTurnEnd(() => acts.push(act));
  expect(timers).toHaveBeenCalledTimes(1);
  timers.mockRestore();
  await new Promise((resolve) => setImmediate(resolve));
  expect(acts).toEqual([1, 2, 3]);
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { callWitness, dismissWitness, end, eventually, until, within } from './waiting.js';

const never = new Promise<never>(() => undefined);

describe('a wait that ends without what it waited for', () => {
  it('says what did not come, and what each process wrote last', async () => {
    const lines = Array.from({ length: 100 }, (_, line) => `line ${line}`);
    const [node, silent, stopped] = [
      { name: 'node api', log: lines.join('\n') },
      { name: 'node lb', log: '' },
      { name: 'node runner', log: 'gone' },
    ];
    for (const witness of [node, silent, stopped]) callWitness(witness);
    dismissWitness(stopped);

    await expect(within(1, 'an answer', never)).rejects.toThrow(
      `an answer: not within 1 ms\n--- node api:\n${lines.slice(-15).join('\n')}\n--- node lb:\n(nothing)`,
    );
    await expect(within(1, 'an answer', never)).rejects.not.toThrow(/node runner|line 84\n/);
  });

  it('shows the last of many processes only', async () => {
    for (let n = 0; n < 100; n += 1) callWitness({ name: `process ${n}.`, log: '' });
    const failed = await within(1, 'an answer', never).catch(String);
    expect(failed.match(/process \d+\./g)).toEqual(Array.from({ length: 16 }, (_, n) => `process ${84 + n}.`));
  });

  it('ends although what it looks at does not answer', async () => {
    await expect(until({ what: 'a state', look: () => never, withinMs: 5 })).rejects.toThrow('a state: not within');
    await expect(until({ what: 'a state', look: () => undefined, withinMs: 5 })).rejects.toThrow(
      'a state: not within 5 ms',
    );
  });

  it('ends although an attempt does not, and says how the one before it failed', async () => {
    let attempts = 0;
    const act = () => {
      attempts += 1;
      if (attempts === 1) throw new Error('refused');
      return never;
    };
    await expect(eventually(act, 100)).rejects.toThrow(/^an attempt after Error: refused: not within \d+ ms/);
  });
});

it('a wait passes on what comes, and how the work fails', async () => {
  await expect(within(60_000, 'it', Promise.resolve(1))).resolves.toBe(1);
  await expect(within(60_000, 'it', Promise.reject(new Error('broken')))).rejects.toThrow(/^broken$/);
  let looks = 0;
  await expect(until({ what: 'a third look', look: () => (++looks === 3 ? looks : undefined) })).resolves.toBe(3);
  await expect(eventually(() => (++looks === 6 ? looks : Promise.reject(new Error('not yet'))))).resolves.toBe(6);
});

it('a process that ignores the signal to end is killed, and the wait says so', async () => {
  const child = spawn(process.execPath, [
    '-e',
    `process.on('SIGTERM', () => {}); console.log(1); setInterval(() => {}, 1e6)`,
  ]);
  await once(child.stdout, 'data');
  const ended = once(child, 'exit');
  await expect(end(child, 'SIGTERM', 50)).rejects.toThrow(/the end of .* after SIGTERM: not within 50 ms/);
  expect(await ended).toEqual([null, 'SIGKILL']);
  await end(child, 'SIGTERM');
});

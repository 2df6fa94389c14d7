import { showLive } from './show-live.js';

/** With lines that are cut where the terminal ends, however wide their characters are. */
const TAKEN = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const GIVEN_BACK = '\x1b[?7h\x1b[?1049l\x1b[?25h';

it('draws what fits, shows errors, and restores the terminal', async () => {
  const written: string[] = [];
  const stop = new AbortController();
  let looks = 0;
  const draw = async (rows: number) => {
    looks += 1;
    if (looks === 1) throw new Error('no balancer answers');
    if (looks === 3) stop.abort();
    return Array.from({ length: 100 }, (_, at) => `line ${at} of ${rows} `.padEnd(100, 'x'));
  };
  const screen = { rows: 10, columns: 40, write: (text: string | Uint8Array) => written.push(String(text)) > 0 };
  await showLive(screen, draw, 1, stop.signal);

  expect(written).toHaveLength(4);
  expect(written[1]).toContain('no balancer answers');
  const lines = written[2]?.split('\n') ?? [];
  expect(lines).toHaveLength(10);
  expect(lines[2]).toBe(`line 0 of 8 ${'x'.repeat(28)}\x1b[K`);
  expect(written[0]).toBe(TAKEN);
  expect(written.at(-1)).toBe(GIVEN_BACK);
});

it('stops on Ctrl-C even while the fleet does not answer, and leaves no listener behind', async () => {
  const written: string[] = [];
  const stop = new AbortController();
  const before = process.listenerCount('exit');
  const screen = { rows: 10, columns: 40, write: (text: string | Uint8Array) => written.push(String(text)) > 0 };
  const shown = showLive(screen, () => new Promise(() => undefined), 1, stop.signal);
  // What the second Ctrl-C does.
  expect(process.listenerCount('exit')).toBe(before + 1);
  process.listeners('exit').at(-1)?.(1);
  expect(written).toEqual([TAKEN, GIVEN_BACK]);
  stop.abort();
  await shown;
  expect(written.at(-1)).toBe(GIVEN_BACK);
  expect(process.listenerCount('exit')).toBe(before);
});

import { showLive } from './show-live.js';

it('draws what fits, shows what goes wrong, and leaves the terminal as it was', async () => {
  const written: string[] = [];
  const stop = new AbortController();
  let looks = 0;
  const draw = async (rows: number) => {
    looks += 1;
    if (looks === 1) throw new Error('no balancer answers');
    stop.abort();
    return Array.from({ length: 100 }, (_, at) => `line ${at} of ${rows} `.padEnd(100, 'x'));
  };
  const screen = { rows: 10, columns: 40, write: (text: string | Uint8Array) => written.push(String(text)) > 0 };
  await showLive(screen, draw, 1, stop.signal);

  expect(written).toHaveLength(4);
  expect(written[1]).toContain('no balancer answers');
  const lines = written[2]?.split('\n') ?? [];
  expect(lines).toHaveLength(10);
  expect(lines[2]).toBe(`line 0 of 8 ${'x'.repeat(28)}\x1b[K`);
  expect(written[0]).toBe('\x1b[?1049h\x1b[?25l');
  expect(written.at(-1)).toBe('\x1b[?1049l\x1b[?25h');
});

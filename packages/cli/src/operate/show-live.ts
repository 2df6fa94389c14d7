import type { WriteStream } from 'node:tty';
import { formatDateSeconds, printableLine, systemClock } from '@fnfleet/core';

const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
/**
 * Turns line wrapping off: characters may be wider than one column, and a wrapped line would push others off the
 * screen.
 */
const OTHER_SCREEN = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const OWN_SCREEN = '\x1b[?7h\x1b[?1049l\x1b[?25h';

/** The part of a terminal that drawing uses. */
export type Screen = Pick<WriteStream, 'write' | 'rows' | 'columns'>;

/**
 * Redraws the screen until the signal aborts, and then restores the terminal. An error of `draw` is shown in its place,
 * and the next refresh tries again.
 * @param draw returns the lines for a screen with this many rows
 */
export async function showLive(
  screen: Screen,
  draw: (rows: number) => Promise<readonly string[]>,
  intervalMs: number,
  signal: AbortSignal,
): Promise<void> {
  const restore = () => void screen.write(OWN_SCREEN);
  const stopped = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  screen.write(OTHER_SCREEN);
  // A second Ctrl-C exits without the cleanup below.
  process.once('exit', restore);
  try {
    while (!signal.aborted) {
      const { rows = 24, columns = 80 } = screen;
      const title = `fnfleet top   ${formatDateSeconds(systemClock.wallNow())}   Ctrl-C to stop`;
      // Ctrl-C must not wait for an unresponsive fleet.
      const looked = await Promise.race([drawn(draw, rows - 2), stopped]);
      if (looked === undefined) break;
      const lines = [title, '', ...looked].slice(0, rows);
      screen.write(
        `${HOME}${lines.map((line) => `${printableLine(line, columns).slice(0, columns)}${CLEAR_LINE}`).join('\n')}${CLEAR_BELOW}`,
      );
      await systemClock.sleep(intervalMs, signal);
    }
  } finally {
    process.off('exit', restore);
    restore();
  }
}

async function drawn(draw: (rows: number) => Promise<readonly string[]>, rows: number): Promise<readonly string[]> {
  try {
    return await draw(rows);
  } catch (error) {
    return (error as Error).message.split('\n');
  }
}

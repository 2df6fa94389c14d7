import type { WriteStream } from 'node:tty';
import { formatDateSeconds, printableLine, systemClock } from '@fnfleet/core';

const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
const OTHER_SCREEN = '\x1b[?1049h\x1b[?25l';
const OWN_SCREEN = '\x1b[?1049l\x1b[?25h';

/** The part of a terminal that is drawn on. */
export type Screen = Pick<WriteStream, 'write' | 'rows' | 'columns'>;

/**
 * Draws the same screen again and again until the signal, and leaves the terminal as it was. What drawing throws is shown,
 * and the next look may go better.
 * @param draw the lines, for a screen with so many
 */
export async function showLive(
  screen: Screen,
  draw: (rows: number) => Promise<readonly string[]>,
  intervalMs: number,
  signal: AbortSignal,
): Promise<void> {
  screen.write(OTHER_SCREEN);
  try {
    while (!signal.aborted) {
      const { rows = 24, columns = 80 } = screen;
      const title = `fnfleet top   ${formatDateSeconds(systemClock.wallNow())}   Ctrl-C ends it`;
      const lines = [title, '', ...(await drawn(draw, rows - 2))].slice(0, rows);
      screen.write(
        `${HOME}${lines.map((line) => `${printableLine(line).slice(0, columns)}${CLEAR_LINE}`).join('\n')}${CLEAR_BELOW}`,
      );
      await systemClock.sleep(intervalMs, signal);
    }
  } finally {
    screen.write(OWN_SCREEN);
  }
}

async function drawn(draw: (rows: number) => Promise<readonly string[]>, rows: number): Promise<readonly string[]> {
  try {
    return await draw(rows);
  } catch (error) {
    return (error as Error).message.split('\n');
  }
}

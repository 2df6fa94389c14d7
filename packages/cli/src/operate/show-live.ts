import type { WriteStream } from 'node:tty';
import { formatDateSeconds, printableLine, systemClock } from '@fnfleet/core';

const HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';
/** Without wrapping: characters may be wider than one column, and a line that becomes two would push others off the screen. */
const OTHER_SCREEN = '\x1b[?1049h\x1b[?25l\x1b[?7l';
const OWN_SCREEN = '\x1b[?7h\x1b[?1049l\x1b[?25h';

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
  const restore = () => void screen.write(OWN_SCREEN);
  const stopped = new Promise<undefined>((resolve) => {
    if (signal.aborted) resolve(undefined);
    signal.addEventListener('abort', () => resolve(undefined), { once: true });
  });
  screen.write(OTHER_SCREEN);
  // Whoever asks twice does not wait for the end of this.
  process.once('exit', restore);
  try {
    while (!signal.aborted) {
      const { rows = 24, columns = 80 } = screen;
      const title = `fnfleet top   ${formatDateSeconds(systemClock.wallNow())}   Ctrl-C ends it`;
      // A fleet that does not answer is no reason to wait.
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

import { type Clock, MIB, printableLine, systemClock } from '@fnfleet/core';
import { readJson, type Shape } from '@fnfleet/operator-api';
import { readAnswer } from '../access/read-answer.js';
import type { Fetch } from '../access/secure-fetch.js';
import { remark } from '../terminal/output.js';

/** Most calls are answered within this time, milliseconds. */
const FIRST_MS = 1_000;
/** Polling intervals: a line that is redrawn may change more often than one that stays. */
const TERMINAL_MS = 1_000;
const LINES_MS = 5_000;
const TIMEOUT_MS = 5_000;
/** Returns to the start of the line and clears it. */
const CLEAR = '\r\x1b[K';

interface PullsAnswer {
  readonly pulls: readonly { readonly image: string; readonly received_bytes: number; readonly total_bytes: number }[];
}

const PULLS: Shape = {
  fields: { pulls: { list: { fields: { image: 'string', received_bytes: 'number', total_bytes: 'number' } } } },
};

/**
 * Shows the progress of an image pull on standard error until the signal aborts, because it explains why a first call
 * takes so long. Shows nothing if the progress is unknown or the caller may not ask for it. Never rejects.
 * @param node origin of the balancer or full node
 */
export async function showPull(
  node: string,
  image: string,
  fetch: Fetch,
  signal: AbortSignal,
  clock: Pick<Clock, 'sleep'> = systemClock,
): Promise<void> {
  const { isTTY: isTerminal = false } = process.stderr;
  // Some terminals report a width of zero.
  const columns = process.stderr.columns || 80;
  let shown = '';
  const until: Fetch = (url, { signal: own, ...options } = {}) =>
    fetch(url, { ...options, signal: own ? AbortSignal.any([own, signal]) : signal });
  try {
    await clock.sleep(FIRST_MS, signal);
    while (!signal.aborted) {
      const text = await look(node, image, until);
      if (text !== shown && !signal.aborted) {
        shown = text;
        if (isTerminal) process.stderr.write(`${CLEAR}${printableLine(text).slice(0, columns - 1)}`);
        else if (text !== '') remark(printableLine(text));
      }
      await clock.sleep(isTerminal ? TERMINAL_MS : LINES_MS, signal);
    }
  } catch {
    // Only operators may ask for the progress; other callers wait without it.
  }
  if (isTerminal && shown !== '') process.stderr.write(CLEAR);
}

/** @returns empty if no pull of the image is known */
async function look(node: string, image: string, fetch: Fetch): Promise<string> {
  const answer = await readAnswer(fetch, `${node}/pulls`, { timeoutMs: TIMEOUT_MS });
  const pulls = answer.ok ? readJson<PullsAnswer>(answer.body, PULLS)?.pulls : undefined;
  if (pulls === undefined) throw new Error('it does not report pulls');
  const pull = pulls.find((one) => one.image === image);
  if (pull === undefined) return '';
  const { received_bytes: received, total_bytes: total } = pull;
  const progress = total > 0 ? `, ${Math.round(received / MIB)} of ${Math.round(total / MIB)} MB` : '';
  return `the image ${image} is being pulled${progress}`;
}

import { FakeClock, wallMs } from '@fnfleet/core';
import { CallLogs } from './call-logs.js';
import type { OutputLine } from './log-sink.js';

const MAX_BYTES = 10;
let clock: FakeClock;
let logs: CallLogs;

beforeEach(() => {
  clock = new FakeClock();
  logs = new CallLogs(clock, MAX_BYTES);
});
afterEach(() => expect(clock.pendingTimers).toBe(0));

const line = (text: string | Buffer, source: OutputLine['source'] = 'stdout'): OutputLine => ({
  ...{ at: wallMs(0), source, text: Buffer.from(text) },
  ...{ callId: 'c', fnId: 'f', appId: 'a', image: 'i', containerId: 'x' },
});
const never = new AbortController().signal;

/** What `whenComplete` has given so far. */
function complete(log: ReturnType<CallLogs['open']>, hasFailed = false, signal = never): { text: string | undefined } {
  const seen: { text: string | undefined } = { text: undefined };
  void log.whenComplete(hasFailed, signal).then((text) => {
    seen.text = text;
  });
  return seen;
}

it('a log has both streams in the order of their lines', async () => {
  const log = logs.open('f');
  log.write(line('out'));
  log.write(line('err', 'stderr'));
  log.close();
  expect(await log.whenComplete(false, never)).toBe('out\nerr\n');
});

it.each([
  ['too much', '0123456789abc', '0123456789'],
  ['half a letter at the end', '012345678é', '012345678'],
  ['bytes that are no text', Buffer.from([0x61, 0xff, 0x62]), 'a\uFFFDb\n'],
])('of %s, the beginning is kept', async (_, text, kept) => {
  const log = logs.open('f');
  log.write(line(text));
  log.write(line('more'));
  log.close();
  expect((await log.whenComplete(false, never)).slice(0, kept.length)).toBe(kept);
  expect(Buffer.byteLength(await log.whenComplete(false, never))).toBeLessThanOrEqual(MAX_BYTES + 2);
});

it.each`
  end            | hasFailed | ms
  ${'succeeded'} | ${false}  | ${20}
  ${'failed'}    | ${true}   | ${200}
`('output up to $ms ms after a call that $end belongs to it', async ({ hasFailed, ms }) => {
  const log = logs.open('f');
  const seen = complete(log, hasFailed);
  await clock.advance(ms - 1);
  log.write(line('late'));
  expect(seen.text).toBeUndefined();
  await clock.advance(1);
  expect(seen.text).toBe('late\n');
});

it('many short lines are kept as they are', async () => {
  const log = new CallLogs(clock, 100_000).open('f');
  for (let n = 0; n < 30_000; n += 1) log.write(line(String(n % 10)));
  log.close();
  expect(await log.whenComplete(false, never)).toBe('0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n'.repeat(3_000));
});

it('the next call of the container ends the wait, and so does a balancer that leaves', async () => {
  const log = logs.open('f');
  const seen = complete(log, true);
  log.close();
  await clock.advance(0);
  expect(seen.text).toBe('');

  const left = new AbortController();
  const abandoned = complete(logs.open('f'), true, left.signal);
  left.abort();
  await clock.advance(0);
  expect(abandoned.text).toBe('');
});

it('a function that has printed nothing for three calls is not waited for, until it prints', async () => {
  for (let call = 0; call < 3; call += 1) logs.open('f').close();
  const quiet = logs.open('f');
  expect(await quiet.whenComplete(false, never)).toBe('');
  // Too late for this call, but not for the next.
  quiet.write(line('after all'));
  quiet.close();
  const next = logs.open('f');
  const seen = complete(next);
  await clock.advance(19);
  expect(seen.text).toBeUndefined();
  await clock.advance(1);
  expect(seen.text).toBe('');
  // Of other functions nothing is known.
  const other = complete(logs.open('g'));
  await clock.advance(0);
  expect(other.text).toBeUndefined();
  await clock.advance(20);
});

import { CancelledError, FakeClock, RecordedMetrics } from '@fnfleet/core';
import { PullRetry, type PullRetryPolicy, retryDelayMs, retryReason } from './pull-retry.js';

const metrics = RecordedMetrics.install();
const never = new AbortController().signal;
const policy: PullRetryPolicy = { maxRetries: 5, intervalMs: 50, minDelayMs: 0, maxDelayMs: 0 };
const slowDown = new Error('toomanyrequests: slow down');

/** A pull that fails so many times before it succeeds, and when it was tried. */
function failing(times: number, clock: FakeClock, error: Error = slowDown) {
  const start = clock.now();
  const triedAt: number[] = [];
  const pull = async () => {
    triedAt.push(clock.now() - start);
    if (triedAt.length <= times) throw error;
  };
  return { triedAt, pull };
}

describe('the wait before a retry', () => {
  it.each`
    retry | random  | change                                  | delay
    ${1}  | ${0}    | ${{}}                                   | ${0}
    ${1}  | ${0.5}  | ${{}}                                   | ${25}
    ${3}  | ${0.5}  | ${{}}                                   | ${175}
    ${3}  | ${0}    | ${{ minDelayMs: 10 }}                   | ${10}
    ${3}  | ${0.5}  | ${{ minDelayMs: 10 }}                   | ${185}
    ${3}  | ${0.5}  | ${{ minDelayMs: 10, maxDelayMs: 210 }}  | ${110}
    ${30} | ${0.99} | ${{ maxDelayMs: 1000 }}                 | ${990}
    ${2}  | ${0.5}  | ${{ minDelayMs: 500, maxDelayMs: 100 }} | ${500}
  `('is $delay ms for retry $retry of $change at $random', ({ retry, random, change, delay }) => {
    expect(retryDelayMs({ ...policy, ...change }, retry, random)).toBe(delay);
  });
});

describe('a pull that fails', () => {
  afterEach(() => metrics.reset());

  it('agent-and-docker 63: for a transient reason is retried, and counted', async () => {
    const clock = new FakeClock();
    const { triedAt, pull } = failing(3, clock);
    const done = new PullRetry(policy, clock, () => 0.5).run(pull, never);
    await clock.advance(25 + 75 + 175);
    await done;
    expect(triedAt).toEqual([0, 25, 100, 275]);
    expect(metrics.sum('docker_api_retries', { api_name: 'docker_pull_image', api_status: '429' })).toBe(3);
  });

  it('is given up after the maximum number of retries, with its last error', async () => {
    const clock = new FakeClock();
    const { triedAt, pull } = failing(99, clock);
    const done = new PullRetry({ ...policy, maxRetries: 2 }, clock).run(pull, never).catch((error) => error);
    await clock.advance(60_000);
    expect(await done).toBe(slowDown);
    expect(triedAt).toHaveLength(3);
    expect(metrics.sum('docker_api_retries')).toBe(2);
  });

  it('is not retried if retries are disabled or useless', async () => {
    const clock = new FakeClock();
    await expect(new PullRetry({ ...policy, maxRetries: 0 }, clock).run(failing(1, clock).pull, never)).rejects.toBe(
      slowDown,
    );
    const denied = new Error('unauthorized: authentication required');
    await expect(new PullRetry(policy, clock).run(failing(1, clock, denied).pull, never)).rejects.toBe(denied);
    expect(metrics.sum('docker_api_retries')).toBe(0);
  });

  it('ends at once when no caller waits for it any more', async () => {
    const clock = new FakeClock();
    const gone = new AbortController();
    const { triedAt, pull } = failing(99, clock);
    const done = new PullRetry(policy, clock, () => 0.5).run(pull, gone.signal).catch((error) => error);
    await clock.advance(10);
    gone.abort();
    expect(await done).toBeInstanceOf(CancelledError);
    expect([triedAt.length, clock.pendingTimers]).toEqual([1, 0]);
  });
});

it.each`
  message                                                                                     | reason
  ${'toomanyrequests: You have reached your pull rate limit'}                                 | ${'429'}
  ${'received unexpected HTTP status: 503 Service Unavailable'}                               | ${'5xx'}
  ${'Get "http://r:5000/v2/": EOF'}                                                           | ${'connection_reset'}
  ${'Get "http://r:5000/v2/": unexpected EOF'}                                                | ${'connection_reset'}
  ${'read tcp 10.0.0.1:4->10.0.0.2:5: read: connection reset by peer'}                        | ${'connection_reset'}
  ${'Get "https://r/v2/": net/http: TLS handshake timeout'}                                   | ${'timeout'}
  ${'Get "https://r/v2/": dial tcp 10.0.0.2:443: i/o timeout'}                                | ${'timeout'}
  ${'Get "https://r/v2/": request canceled (Client.Timeout exceeded while awaiting headers)'} | ${'timeout'}
  ${'manifest for r:5000/EOF:HTTP-429 not found: manifest unknown: manifest unknown'}         | ${undefined}
  ${'pull access denied for a/b, repository does not exist or may require authorization'}     | ${undefined}
  ${'Get "http://127.0.0.1:9/v2/": dial tcp 127.0.0.1:9: connect: connection refused'}        | ${undefined}
  ${'no space left on device'}                                                                | ${undefined}
`('the reason to try again after "$message" is $reason', ({ message, reason }) => {
  expect(retryReason(new Error(message))).toBe(reason);
});

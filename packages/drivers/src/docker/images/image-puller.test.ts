import { CancelledError, Deferred, FakeClock, RecordedMetrics, systemClock } from '@fnfleet/core';
import { ImagePuller, PullRetry, type PullRetryPolicy, retryDelayMs, retryReason } from './image-puller.js';
import { parseImageReference } from './image-reference.js';

const never = new AbortController().signal;
const hello = parseImageReference('a/hello:1');

/** Downloads that the test ends. */
function downloads() {
  const begun: { key: string; done: Deferred<void>; signal: AbortSignal }[] = [];
  const puller = new ImagePuller(({ repository, tag }, _auth, signal) => {
    const done = new Deferred<void>();
    begun.push({ key: `${repository}:${tag}`, done, signal });
    return done.promise;
  }, systemClock);
  return { begun, puller };
}

describe('concurrent pulls of one image', () => {
  it('agent-and-docker 62: share one download for each image', async () => {
    const { begun, puller } = downloads();
    const images = [hello, parseImageReference('a/hello:2')];
    const pulls = Array.from({ length: 20 }, (_, index) => puller.pull(images[index % 2] ?? hello, undefined, never));
    expect(begun.map(({ key }) => key)).toEqual(['a/hello:1', 'a/hello:2']);
    for (const { done } of begun) done.resolve();
    await Promise.all(pulls);
  });

  it('agent-and-docker 62: all fail when the download fails, and the next pull tries again', async () => {
    const { begun, puller } = downloads();
    const pulls = Promise.allSettled(Array.from({ length: 10 }, () => puller.pull(hello, undefined, never)));
    begun[0]?.done.reject(new Error('denied'));
    expect((await pulls).map((result) => result.status === 'rejected' && result.reason.message)).toEqual(
      Array(10).fill('denied'),
    );
    void puller.pull(hello, undefined, never);
    expect(begun).toHaveLength(2);
    begun[1]?.done.resolve();
  });

  it('continue when the first caller aborts, and end when the last one does', async () => {
    const { begun, puller } = downloads();
    const [first, second] = [new AbortController(), new AbortController()];
    const pulls = [puller.pull(hello, undefined, first.signal), puller.pull(hello, undefined, second.signal)];
    first.abort();
    await expect(pulls[0]).rejects.toBeInstanceOf(CancelledError);
    expect(begun[0]?.signal.aborted).toBe(false);
    second.abort();
    await expect(pulls[1]).rejects.toBeInstanceOf(CancelledError);
    expect(begun[0]?.signal.aborted).toBe(true);
  });

  it('are separate for different credentials', async () => {
    const { begun, puller } = downloads();
    const shown = [{ registrytoken: 'a' }, { registrytoken: 'b' }, undefined, { registrytoken: 'a' }];
    const pulls = shown.map((auth) => puller.pull(hello, auth, never));
    expect(begun).toHaveLength(3);
    for (const { done } of begun) done.resolve();
    await Promise.all(pulls);
  });

  it('do not begin for a caller that has aborted', async () => {
    const { begun, puller } = downloads();
    await expect(puller.pull(hello, undefined, AbortSignal.abort())).rejects.toBeInstanceOf(CancelledError);
    expect(begun).toEqual([]);
  });
});

describe('retries of a pull', () => {
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
    `('is $delay ms before retry $retry with $change and random $random', ({ retry, random, change, delay }) => {
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
  `('the reason to retry after "$message" is $reason', ({ message, reason }) => {
    expect(retryReason(new Error(message))).toBe(reason);
  });
});

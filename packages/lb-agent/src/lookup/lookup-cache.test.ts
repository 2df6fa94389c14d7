import { getEventListeners } from 'node:events';
import { CancelledError, FakeClock, FnError, RecordedMetrics } from '@fnfleet/core';
import { LookupCache, type LookupCacheOptions } from './lookup-cache.js';

const metrics = RecordedMetrics.install();

const OPTIONS: LookupCacheOptions = {
  ttlMs: 5_000,
  missTtlMs: 1_000,
  maxEntries: 3,
  fetchTimeoutMs: 10_000,
};

let clock: FakeClock;
let source: Source;
let cache: LookupCache<string>;
beforeEach(() => {
  metrics.reset();
  clock = new FakeClock();
  source = new Source();
  cache = new LookupCache((key, signal) => source.fetch(key, signal), OPTIONS, clock);
});
afterEach(async () => {
  cache.close();
  await clock.advance(0);
  expect(clock.pendingTimers).toBe(0);
});

const caller = () => new AbortController().signal;
const get = async (key: string, signal = caller()) => cache.get(key, signal);
/** The message that a lookup fails with. */
const failureOf = (looked: Promise<string>) =>
  looked.then(
    (value) => `found ${value}`,
    (error: Error) => error.message,
  );

describe('a cached value', () => {
  it('is used without a fetch or a wait in the first half of its five seconds', async () => {
    expect(await get('a')).toBe('a1');
    await clock.advance(2_499);
    expect([cache.get('a', caller()), cache.known('a')]).toEqual(['a1', 'a1']);
    expect(source.asked).toEqual(['a']);
  });

  it('never makes a caller wait until it is five seconds old', async () => {
    expect(cache.known('a')).toBeUndefined();
    await get('a');
    source.holds = true;
    await clock.advance(4_999);
    expect(cache.known('a')).toBe('a1');
    await clock.advance(1);
    expect(cache.known('a')).toBeUndefined();
    await clock.advance(4);
    source.release(0);
  });

  it('is used even for a caller that has disconnected', async () => {
    await get('a');
    expect(cache.get('a', AbortSignal.abort())).toBe('a1');
  });

  it('is evicted at the limit, the one that was fetched longest ago first', async () => {
    for (const key of ['a', 'b', 'c']) await get(key);
    await clock.advance(5_000);
    // Fetched anew, it is not the oldest any more.
    await get('a');
    await get('d');
    source.asked.length = 0;
    expect(cache.get('a', caller())).toBe('a2');
    expect(cache.get('d', caller())).toBe('d1');
    await get('b');
    expect(source.asked).toEqual(['b']);
  });

  it('is fetched again after forget', async () => {
    await get('a');
    cache.forget();
    expect(await get('a')).toBe('a2');
  });

  it('is not the result of a fetch that began before forget; only its waiting callers get that', async () => {
    source.holds = true;
    const before = get('a');
    cache.forget();
    const after = get('a');
    source.release(0);
    source.release(1);
    expect([await before, await after]).toEqual(['a1', 'a2']);
    expect(cache.get('a', caller())).toBe('a2');
  });

  it('is not replaced by the late result of a fetch that began before forget', async () => {
    source.holds = true;
    const before = get('a');
    cache.forget();
    const after = get('a');
    source.release(1);
    expect(await after).toBe('a2');
    source.release(0);
    expect(await before).toBe('a1');
    expect(cache.get('a', caller())).toBe('a2');
  });
});

describe('a value that is used in the second half of its lifetime', () => {
  it.each(['get', 'known'] as const)('is refreshed once in the background: %s', async (use) => {
    const used = () => (use === 'get' ? cache.get('a', caller()) : cache.known('a'));
    await get('a');
    await clock.advance(2_500);
    source.holds = true;
    expect([used(), used()]).toEqual(['a1', 'a1']);
    // The call that it was used for goes first.
    expect(source.asked).toEqual(['a']);
    await clock.advance(5);
    expect(source.asked).toEqual(['a', 'a']);
    source.release(0);
    await clock.advance(0);
    expect(used()).toBe('a2');
    // From then on it has its full time.
    await clock.advance(2_499);
    expect(used()).toBe('a2');
    expect(source.asked).toEqual(['a', 'a']);
  });

  it('is waited for after it has expired, by joining the fetch in progress', async () => {
    await get('a');
    await clock.advance(4_994);
    source.holds = true;
    expect(cache.get('a', caller())).toBe('a1');
    await clock.advance(6);
    const looked = get('a');
    source.release(0);
    expect(await looked).toBe('a2');
    expect(source.asked).toEqual(['a', 'a']);
  });

  it('is dropped if the source reports that it does not exist', async () => {
    await get('a');
    await clock.advance(2_500);
    source.failure = new FnError('fnNotFound');
    expect(cache.get('a', caller())).toBe('a1');
    await clock.advance(5);
    await expect(get('a')).rejects.toThrow('Fn not found');
  });

  it('is refetched once per second while the source fails, and stays in use', async () => {
    await get('a');
    await clock.advance(2_500);
    source.failure = new FnError('lookupUnavailable');
    for (let tenth = 0; tenth < 20; tenth += 1) {
      expect(cache.get('a', caller())).toBe('a1');
      await clock.advance(100);
    }
    expect(source.asked).toHaveLength(3);
    expect(metrics.sum('lb_lookup_stale_count')).toBe(0);
  });

  it('is not replaced by its refresh if forget was called meanwhile', async () => {
    await get('a');
    await clock.advance(2_500);
    source.holds = true;
    cache.get('a', caller());
    await clock.advance(5);
    cache.forget();
    source.release(0);
    await clock.advance(0);
    expect(cache.known('a')).toBeUndefined();
  });
});

describe('a prefetched value', () => {
  it('is available to callers, and is fetched once', async () => {
    source.holds = true;
    cache.prefetch('a');
    cache.prefetch('a');
    const looked = get('a');
    source.release(0);
    expect(await looked).toBe('a1');
    expect(source.asked).toEqual(['a']);
  });

  it('is not fetched if it is cached, known not to exist, or if the source has just failed', async () => {
    await get('a');
    cache.prefetch('a');
    expect(source.asked).toEqual(['a']);
    source.failure = new FnError('fnNotFound');
    await failureOf(get('b'));
    cache.prefetch('b');
    expect(source.asked).toEqual(['a', 'b']);
    source.failure = new FnError('lookupUnavailable');
    await clock.advance(5_000);
    await get('a');
    cache.prefetch('a');
    expect(source.asked).toEqual(['a', 'b', 'a']);
  });

  it('whose fetch fails while nobody waits causes no error', async () => {
    source.failure = new FnError('lookupUnavailable');
    cache.prefetch('a');
    await clock.advance(0);
    source.failure = undefined;
    expect(await get('a')).toBe('a2');
  });
});

describe('a missing value', () => {
  beforeEach(() => {
    source.failure = new FnError('fnNotFound');
  });

  it('is not fetched again for one second', async () => {
    await expect(get('a')).rejects.toThrow('Fn not found');
    await clock.advance(999);
    await expect(get('a')).rejects.toThrow('Fn not found');
    expect(source.asked).toEqual(['a']);
    await clock.advance(1);
    source.failure = undefined;
    expect(await get('a')).toBe('a2');
  });

  it('does not evict existing values', async () => {
    source.failure = undefined;
    for (const key of ['a', 'b', 'c']) await get(key);
    source.failure = new FnError('fnNotFound');
    for (let i = 0; i < 10; i += 1) await failureOf(get(`made-up-${i}`));
    source.asked.length = 0;
    for (const key of ['a', 'b', 'c']) await get(key);
    expect(source.asked).toEqual([]);
  });

  it('is bounded as well', async () => {
    for (const key of ['a', 'b', 'c', 'd']) await failureOf(get(key));
    source.asked.length = 0;
    for (const key of ['d', 'c', 'b', 'a']) await failureOf(get(key));
    expect(source.asked).toEqual(['a']);
  });

  it.each`
    length | again
    ${300} | ${1}
    ${301} | ${2}
  `('with a name of $length characters is fetched $again times in two lookups', async ({ length, again }) => {
    await failureOf(get('x'.repeat(length)));
    await failureOf(get('x'.repeat(length)));
    expect(source.asked).toHaveLength(again);
  });

  it('that existed before is dropped, and is not served as stale', async () => {
    source.failure = undefined;
    await get('a');
    await clock.advance(5_000);
    source.failure = new FnError('fnNotFound');
    await expect(get('a')).rejects.toThrow('Fn not found');
    source.failure = new FnError('lookupUnavailable');
    await clock.advance(1_000);
    await expect(get('a')).rejects.toMatchObject({ code: 'lookupUnavailable' });
  });
});

describe('a source that fails', () => {
  it('is queried again by the next caller', async () => {
    source.failure = new FnError('lookupUnavailable');
    await expect(get('a')).rejects.toMatchObject({ code: 'lookupUnavailable' });
    source.failure = undefined;
    expect(await get('a')).toBe('a2');
  });

  it.each`
    what                                       | failure                             | outcome
    ${'answers 503'}                           | ${new FnError('lookupUnavailable')} | ${'found a1'}
    ${'throws something that is not an error'} | ${'a text'}                         | ${'found a1'}
    ${'reports an invalid name'}               | ${new FnError('appNameInvalid')}    | ${new FnError('appNameInvalid').message}
  `('that $what: the result is $outcome', async ({ failure, outcome }) => {
    await get('a');
    await clock.advance(5_000);
    source.failure = failure;
    expect(await failureOf(get('a'))).toBe(outcome);
  });

  it('is queried once per second while a stale value is served, and each use is counted', async () => {
    await get('a');
    await clock.advance(5_000);
    source.failure = new FnError('lookupUnavailable');
    expect(await get('a')).toBe('a1');
    expect(cache.get('a', caller())).toBe('a1');
    await clock.advance(999);
    expect(cache.get('a', caller())).toBe('a1');
    expect(source.asked).toHaveLength(2);
    expect(metrics.sum('lb_lookup_stale_count')).toBe(3);
    await clock.advance(1);
    expect(await get('a')).toBe('a1');
    expect(source.asked).toHaveLength(3);
  });

  it('is used again after it has recovered', async () => {
    await get('a');
    await clock.advance(5_000);
    source.failure = new FnError('lookupUnavailable');
    await get('a');
    source.failure = undefined;
    await clock.advance(1_000);
    expect(await get('a')).toBe('a3');
  });

  it('leaves a stale value in use for as long as it fails', async () => {
    await get('a');
    source.failure = new FnError('lookupUnavailable');
    await clock.advance(30 * 24 * 3_600_000);
    expect(await get('a')).toBe('a1');
  });

  it('that hangs: a caller with a stale value waits one second, others up to the limit', async () => {
    await get('a');
    await clock.advance(5_000);
    source.holds = true;
    const known = get('a');
    const unknown = failureOf(get('b'));
    await clock.advance(1_000);
    expect(await known).toBe('a1');
    await clock.advance(8_999);
    expect(source.signals.at(-1)?.aborted).toBe(false);
    await clock.advance(1);
    expect(await unknown).toBe('Functions cannot be looked up right now');
  });

  it('that hangs: of callers one after the other, one in ten seconds waits for it', async () => {
    await get('a');
    await clock.advance(5_000);
    source.holds = true;
    const first = get('a');
    await clock.advance(1_000);
    expect(await first).toBe('a1');
    for (let calls = 0; calls < 9; calls += 1) {
      await clock.advance(1_000);
      expect(cache.get('a', caller())).toBe('a1');
    }
    expect(source.asked).toHaveLength(2);
    await clock.advance(1_000);
    const next = get('a');
    source.release(1);
    expect(await next).toBe('a3');
  });

  it('that hung, and reports a change when it answers again, is asked at once', async () => {
    await get('a');
    await clock.advance(5_000);
    source.holds = true;
    const first = get('a');
    await clock.advance(1_000);
    expect(await first).toBe('a1');
    source.holds = false;
    cache.outdateAll();
    expect(await get('a')).toBe('a3');
  });

  it('that answers within that second is used', async () => {
    await get('a');
    await clock.advance(5_000);
    source.holds = true;
    const looked = get('a');
    await clock.advance(999);
    source.release(0);
    expect(await looked).toBe('a2');
  });

  it('a caller that disconnects meanwhile gets the reason of its signal, not the stale value', async () => {
    await get('a');
    await clock.advance(5_000);
    source.holds = true;
    const controller = new AbortController();
    const looked = failureOf(get('a', controller.signal));
    controller.abort(new Error('left'));
    expect(await looked).toBe('left');
  });
});

describe('concurrent lookups of one value', () => {
  it('share one fetch and its value', async () => {
    source.holds = true;
    const looked = [get('a'), get('a'), get('a')];
    source.release(0);
    expect(await Promise.all(looked)).toEqual(['a1', 'a1', 'a1']);
    expect(source.asked).toEqual(['a']);
  });

  it('share its error', async () => {
    source.holds = true;
    const looked = [failureOf(get('a')), failureOf(get('a'))];
    source.release(0, new FnError('lookupUnavailable'));
    const { message } = new FnError('lookupUnavailable');
    expect(await Promise.all(looked)).toEqual([message, message]);
  });

  it('keep the fetch going while one caller waits, and cancel it when the last has left', async () => {
    source.holds = true;
    const [one, two] = [new AbortController(), new AbortController()];
    const looked = [failureOf(get('a', one.signal)), failureOf(get('a', two.signal))];
    one.abort(new Error('left'));
    expect(await looked[0]).toBe('left');
    expect(source.signals[0]?.aborted).toBe(false);
    two.abort(new Error('left too'));
    expect(await looked[1]).toBe('left too');
    expect(source.signals[0]?.aborted).toBe(true);
    expect(source.asked).toEqual(['a']);
  });

  it('leave no listeners on the signals of their callers', async () => {
    source.holds = true;
    const signals = Array.from({ length: 3 }, caller);
    const looked = signals.map((signal) => get('a', signal));
    expect(signals.map((signal) => getEventListeners(signal, 'abort').length)).toEqual([1, 1, 1]);
    source.release(0);
    await Promise.all(looked);
    await clock.advance(0);
    expect(signals.map((signal) => getEventListeners(signal, 'abort').length)).toEqual([0, 0, 0]);
  });

  it('by a caller that has already disconnected start no fetch that continues', async () => {
    source.holds = true;
    expect(await failureOf(get('a', AbortSignal.abort(new Error('left'))))).toBe('left');
    expect(source.signals[0]?.aborted).toBe(true);
  });
});

it('closing cancels running fetches', async () => {
  source.holds = true;
  const looked = failureOf(get('a'));
  cache.close();
  expect(source.signals[0]?.reason).toBeInstanceOf(CancelledError);
  expect(await looked).toBe(new CancelledError().message);
});

/** Answers with the key and how often it was asked for it: a1, a2, … */
class Source {
  readonly asked: string[] = [];
  readonly signals: AbortSignal[] = [];
  failure: unknown;
  /** Answers only when told to. */
  holds = false;
  private readonly held: { value: string; answer: PromiseWithResolvers<string> }[] = [];

  async fetch(key: string, signal: AbortSignal): Promise<string> {
    this.asked.push(key);
    this.signals.push(signal);
    const value = `${key}${this.asked.filter((asked) => asked === key).length}`;
    if (this.holds) {
      const answer = Promise.withResolvers<string>();
      signal.addEventListener('abort', () => answer.reject(signal.reason));
      this.held.push({ value, answer });
      return answer.promise;
    }
    if (this.failure !== undefined) throw this.failure;
    return value;
  }

  /** Lets the so many-th answer that was held go, or fail. */
  release(index: number, error?: Error): void {
    const { value, answer } = this.held[index] ?? {};
    if (error) answer?.reject(error);
    else if (value !== undefined) answer?.resolve(value);
  }
}

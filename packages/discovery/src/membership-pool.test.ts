import { PassThrough } from 'node:stream';
import { createLogger, FakeClock, RecordedMetrics } from '@fnfleet/core';
import type { MembershipListener } from './membership.js';
import { MembershipPool } from './membership-pool.js';

const metrics = RecordedMetrics.install();

let clock: FakeClock;
let source: ScriptedSource;
let log: PassThrough;
let made: SlowRunner[];
let changes: number;
let pool: MembershipPool<SlowRunner>;

beforeEach(() => {
  metrics.reset();
  clock = new FakeClock();
  source = new ScriptedSource();
  log = new PassThrough();
  made = [];
  changes = 0;
  pool = new MembershipPool({
    kind: 'test',
    description: 'test://somewhere',
    source,
    createRunner: (address) => {
      const runner = new SlowRunner(address);
      made.push(runner);
      return runner;
    },
    clock,
    logger: createLogger({ level: 'info', format: 'text', stream: log }),
  });
  pool.subscribe(() => {
    changes += 1;
  });
});

it('M1, M5: a runner that joins does not affect the others, and the list is the same until then', () => {
  source.lists('a:1', 'b:1');
  const before = pool.runners().runners;
  source.lists('a:1', 'b:1');
  expect(pool.runners().runners).toBe(before);
  expect(changes).toBe(1);

  source.lists('a:1', 'b:1', 'c:1');

  expect(addresses()).toEqual(['a:1', 'b:1', 'c:1']);
  expect(pool.runners().runners.slice(0, 2)).toEqual(before);
  expect(made.map(({ address }) => address)).toEqual(['a:1', 'b:1', 'c:1']);
  expect(changes).toBe(2);
  expect(metrics.sum('lb_pool_runners')).toBe(3);
  expect(metrics.sum('lb_pool_changes', { change: 'joined' })).toBe(3);
});

it('M2: a runner that leaves gets no more calls and is closed when those in flight are done', async () => {
  source.lists('a:1', 'b:1');
  source.lists('b:1');
  expect(addresses()).toEqual(['b:1']);
  expect(made.map(({ closed }) => closed)).toEqual([true, false]);
  expect(pool.status().leaving).toEqual(['a:1']);

  made[0]?.finish();
  await clock.advance(0);

  expect(pool.status().leaving).toEqual([]);
  expect(metrics.sum('lb_pool_runners')).toBe(1);
  expect(metrics.sum('lb_pool_changes', { change: 'left' })).toBe(1);
});

it('a runner that returns while its earlier calls still run is a new runner', () => {
  source.lists('a:1', 'b:1');
  source.lists('b:1');
  source.lists('a:1', 'b:1');
  expect(made.map(({ address, closed }) => [address, closed])).toEqual([
    ['a:1', true],
    ['b:1', false],
    ['a:1', false],
  ]);
  expect(pool.status()).toMatchObject({ addresses: ['a:1', 'b:1'], leaving: ['a:1'] });
});

it('M3: a failing source leaves the list unchanged, with the failure; it recovers when the source does', async () => {
  source.lists('a:1', 'b:1');
  const before = pool.runners().runners;
  await clock.advance(5000);
  source.fails('the source is away');
  source.fails('the source is away');
  await clock.advance(2000);

  const { runners, error } = pool.runners();
  expect(runners).toBe(before);
  expect(error).toMatchObject({ status: 503, message: 'The list of runners is not available' });
  expect(error?.cause).toMatchObject({ message: 'the source is away' });
  expect(pool.status()).toEqual({
    kind: 'test',
    source: 'test://somewhere',
    addresses: ['a:1', 'b:1'],
    leaving: [],
    refused: [],
    listAgeMs: 7000,
    changedAgeMs: 7000,
    failing: true,
    lastFailure: { reason: 'the source is away', ageMs: 2000 },
  });
  expect(metrics.sum('lb_pool_source_failures')).toBe(2);
  expect(metrics.sum('lb_pool_stale')).toBe(1);

  source.lists('a:1', 'b:1');

  expect(pool.runners()).toEqual({ runners: before });
  expect(pool.runners().runners).toBe(before);
  expect(pool.status()).toMatchObject({ failing: false, listAgeMs: 0, changedAgeMs: 7000 });
  expect(metrics.sum('lb_pool_stale')).toBe(0);
  expect(changes).toBe(1);
  expect(logged().filter((line) => line.includes('cannot read the list of runners'))).toHaveLength(1);
  expect(logged().at(-1)).toContain('can be read again');
});

it('until its source has answered, a pool is empty with an error, and fills by itself', () => {
  expect(pool.runners()).toMatchObject({ runners: [], error: { cause: { message: /has not answered yet/ } } });
  source.fails('connection refused');
  expect(pool.runners()).toMatchObject({ runners: [], error: { cause: { message: 'connection refused' } } });
  source.lists('a:1');
  expect(pool.runners()).toMatchObject({ runners: [{ address: 'a:1' }] });
  expect(pool.runners().error).toBeUndefined();
});

it('an empty list is believed', () => {
  source.lists('a:1');
  source.lists();
  expect(pool.runners()).toEqual({ runners: [] });
  expect(logged().at(-1)).toMatch(/WARN .*runners=0 left=a:1/);
});

it('M4: a bad entry is logged and left out, once, and the good ones are used', () => {
  source.lists('a:1', 'b', 'http://c:1', 'd:1');
  source.lists('a:1', 'b', 'http://c:1', 'd:1');
  expect(addresses()).toEqual(['a:1', 'd:1']);
  expect(pool.status().refused).toEqual([
    { address: 'b', reason: 'the port is missing: expected host:port' },
    { address: 'http://c:1', reason: 'expected host:port, got a URL' },
  ]);
  const complaints = logged().filter((line) => line.includes('invalid runner address'));
  expect(complaints).toHaveLength(2);
  expect(complaints[0]).toContain('address=b');
});

it('M4: a list without any good entry is a wrong source, not an empty fleet', () => {
  source.lists('a:1');
  source.lists('<html>', 'x'.repeat(1000));
  expect(addresses()).toEqual(['a:1']);
  expect(pool.runners().error?.cause).toMatchObject({
    message: 'none of 2 entries is a runner; <html>: the port is missing: expected host:port',
  });
  expect(pool.status().refused[1]?.address).toHaveLength(101);
});

it('M4: an address that is listed twice, also in another spelling, gets one share', () => {
  source.lists('a:1', ' A:1', '[::1]:9190', '[0:0:0::1]:9190', 'a:1');
  expect(addresses()).toEqual(['a:1', '[::1]:9190']);
  source.lists('A:1', '[::1]:9190');
  expect(made).toHaveLength(2);
});

it('another order is another list with the same runners', () => {
  source.lists('a:1', 'b:1');
  source.lists('b:1', 'a:1');
  expect(addresses()).toEqual(['b:1', 'a:1']);
  expect(made).toHaveLength(2);
  expect(changes).toBe(2);
});

it('closes the source, its runners and those that are leaving, and receives nothing more', async () => {
  source.lists('a:1', 'b:1');
  source.lists('b:1');
  source.fails('away');
  const closed = pool.close();
  expect(pool.close()).toBe(closed);
  source.lists('c:1');
  source.fails('closed');
  await clock.advance(0);
  expect(source.closed).toBe(true);
  for (const runner of made) {
    expect(runner.closed).toBe(true);
    runner.finish();
  }
  await closed;
  expect(made).toHaveLength(2);
  expect(metrics.sum('lb_pool_runners')).toBe(0);
  expect(metrics.sum('lb_pool_stale')).toBe(0);
});

function addresses(): string[] {
  return pool.runners().runners.map((runner) => runner.address);
}

const lines: string[] = [];
function logged(): string[] {
  const text = log.read();
  if (text !== null) lines.push(...String(text).trim().split('\n'));
  return lines;
}
afterEach(() => {
  lines.length = 0;
});

class ScriptedSource {
  closed = false;
  private listener: MembershipListener | undefined;

  start(listener: MembershipListener): void {
    this.listener = listener;
  }

  lists(...list: string[]): void {
    this.listener?.onMembers(list);
  }

  fails(reason: string): void {
    this.listener?.onFailure(new Error(reason));
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** Has calls in flight until it is told to finish. */
class SlowRunner {
  closed = false;
  finish: () => void = () => undefined;
  private readonly idle = new Promise<void>((resolve) => {
    this.finish = resolve;
  });

  constructor(readonly address: string) {}

  async close(): Promise<void> {
    this.closed = true;
    await this.idle;
  }
}

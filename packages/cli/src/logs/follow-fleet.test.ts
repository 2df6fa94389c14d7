import { agentSettings, newAgent } from '@fnfleet/agent';
import { FakeClock, MIB, readSettings, type WallMs, wallMs } from '@fnfleet/core';
import { scriptedDriver } from '@fnfleet/drivers';
import { FunctionLogs, newPureRunner, type PureRunner } from '@fnfleet/pure-runner';
import { freePort } from '@fnfleet/testing';
import { followFleet, LineMerger } from './follow-fleet.js';

/** A runner whose functions print what a test says. */
class PrintingRunner {
  private constructor(
    private readonly logs: FunctionLogs,
    private readonly runner: PureRunner,
  ) {}

  static async start({ port = 0, withLogs = true } = {}): Promise<PrintingRunner> {
    const logs = new FunctionLogs({ logBufferBytes: MIB, maxLogCollectors: 8 });
    const agent = newAgent({
      driver: scriptedDriver({ functions: {} }),
      settings: readSettings(agentSettings, {}),
      totals: { memoryBytes: MIB, cpuMillis: 1000 },
      logSinks: [logs],
    });
    const runner = newPureRunner({ agent, listen: `127.0.0.1:${port}`, logs: withLogs ? logs : undefined });
    await runner.ready;
    const printing = new PrintingRunner(logs, runner);
    started.push(printing);
    return printing;
  }

  get port(): number {
    return this.runner.address.port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  prints(text: string, at: number, fnId = 'fn'): void {
    const of = { callId: 'call', appId: 'app', image: 'image', containerId: 'box' };
    this.logs.write({ at: wallMs(at), source: 'stdout', text: Buffer.from(text), fnId, ...of });
  }

  async close(): Promise<void> {
    await this.runner.close();
    expect(this.logs.collectors).toBe(0);
  }
}

const started: PrintingRunner[] = [];
let followers: Follower[] = [];

afterEach(async () => {
  for (const follower of followers) follower.stop();
  await Promise.all(followers.map(({ end }) => end));
  followers = [];
  await Promise.all(started.splice(0).map((runner) => runner.close()));
});

/** Somebody who watches a function. */
class Follower {
  /** `text` of lines, `• text` of notices. */
  readonly seen: string[] = [];
  readonly runners: string[] = [];
  readonly end: Promise<string>;
  private readonly life = new AbortController();
  private waiting: (() => void)[] = [];

  constructor(runners: readonly string[], options: { tail?: number; follow?: boolean } = {}) {
    const note = (what: string) => {
      this.seen.push(what);
      for (const wake of this.waiting.splice(0)) wake();
    };
    this.end = followFleet({
      runners,
      fnId: 'fn',
      tail: 10,
      follow: true,
      ...options,
      onLine: ({ text, runner }) => {
        this.runners.push(runner);
        note(String(text));
      },
      ready: async () => undefined,
      onNotice: (text) => note(`• ${text}`),
      signal: this.life.signal,
    }).then(
      () => 'OK',
      (error: Error) => error.message,
    );
    followers.push(this);
  }

  async sees(what: string | RegExp): Promise<void> {
    const there = () => this.seen.some((line) => (typeof what === 'string' ? line === what : what.test(line)));
    while (!there()) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  stop(): void {
    this.life.abort();
  }
}

it('shows earlier and new lines of all runners in order of time, with their origin', async () => {
  const [one, two] = [await PrintingRunner.start(), await PrintingRunner.start()];
  for (const at of [10, 30, 50]) one.prints(`one ${at}`, at);
  for (const at of [20, 40]) two.prints(`two ${at}`, at);
  one.prints('of another function', 60, 'another');
  const follower = new Follower([one.address, two.address], { tail: 2 });
  await Promise.all([follower.sees('one 50'), follower.sees('two 40')]);
  two.prints('two 70', 70);
  await follower.sees('two 70');
  expect(follower.seen).toEqual(['two 20', 'one 30', 'two 40', 'one 50', 'two 70']);
  expect(follower.runners).toEqual([two, one, two, one, two].map(({ address }) => address));
  follower.stop();
  expect(await follower.end).toBe('OK');
});

it('ends after the earlier lines without --follow', async () => {
  const runner = await PrintingRunner.start();
  runner.prints('past', 1);
  const follower = new Follower([runner.address], { follow: false });
  expect(await follower.end).toBe('OK');
  expect(follower.seen).toEqual(['past']);
});

it('resumes when a runner is back, reports that, and shows missed lines exactly once', async () => {
  // Nobody else gets it meanwhile.
  const before = await PrintingRunner.start({ port: await freePort() });
  const other = await PrintingRunner.start();
  before.prints('before', 10);
  const follower = new Follower([before.address, other.address]);
  await follower.sees('before');
  await before.close();
  await follower.sees(/^• runner .* retrying$/);
  const after = await PrintingRunner.start({ port: before.port });
  after.prints('meanwhile', 20);
  await follower.sees('meanwhile');
  await follower.sees(`• runner ${after.address} is back`);
  other.prints('other', 30);
  await follower.sees('other');
  expect(follower.seen.filter((line) => !line.startsWith('•'))).toEqual(['before', 'meanwhile', 'other']);
});

it('waits for a runner that is not reachable yet, and reports that once', async () => {
  const port = await freePort();
  const follower = new Follower([`127.0.0.1:${port}`], { tail: 5 });
  await follower.sees(`• runner 127.0.0.1:${port} cannot be reached, or the connection was lost; retrying`);
  const runner = await PrintingRunner.start({ port });
  runner.prints('there', 1);
  await follower.sees('there');
  expect(follower.seen.filter((line) => line.includes('cannot be reached'))).toHaveLength(1);
});

describe('a runner that cannot be followed', () => {
  it('is an error without --follow', async () => {
    const gone = await PrintingRunner.start();
    await gone.close();
    const there = await PrintingRunner.start();
    there.prints('past', 1);
    expect(await new Follower([gone.address], { follow: false }).end).toContain('cannot be reached');
    const follower = new Follower([gone.address, there.address], { follow: false });
    expect(await follower.end).toBe('1 of 2 runners could not be asked');
    expect(follower.seen).toEqual(expect.arrayContaining(['past', expect.stringMatching(/^• .*cannot be reached/)]));
  });

  it('does not stop the others', async () => {
    const without = await PrintingRunner.start({ withLogs: false });
    const runner = await PrintingRunner.start();
    expect(await new Follower([without.address]).end).toContain('does not collect the output of functions');
    const follower = new Follower([without.address, runner.address]);
    await follower.sees(/^• .*does not collect the output of functions/);
    runner.prints('line', 1);
    await follower.sees('line');
  });
});

describe('merging lines of several runners', () => {
  let clock: FakeClock;
  let shown: string[];
  let merger: LineMerger<{ at: WallMs; text: string }>;

  beforeEach(() => {
    clock = new FakeClock();
    shown = [];
    merger = new LineMerger(clock, ({ text }) => shown.push(text));
  });
  afterEach(() => expect(clock.pendingTimers).toBe(0));

  it('sorts lines that arrive together by time, and keeps the order of equal times', async () => {
    merger.push([
      { at: wallMs(10), text: 'b' },
      { at: wallMs(30), text: 'd' },
    ]);
    await clock.advance(150);
    merger.push([
      { at: wallMs(10), text: 'c' },
      { at: wallMs(5), text: 'a' },
    ]);
    expect(shown).toEqual([]);
    await clock.advance(50);
    expect(shown).toEqual(['a', 'b', 'c', 'd']);
    merger.push([{ at: wallMs(1), text: 'late' }]);
    await clock.advance(200);
    expect(shown.at(-1)).toBe('late');
  });

  it('emits all held lines at the end', () => {
    merger.push([{ at: wallMs(1), text: 'last' }]);
    merger.flush();
    expect(shown).toEqual(['last']);
  });
});

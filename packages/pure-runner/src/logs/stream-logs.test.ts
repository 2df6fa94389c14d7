import { fn } from '@fnfleet/drivers';
import { collectLogs, type LogEntry, StreamError } from '@fnfleet/protocol';
import { TestRunner, type TestRunnerOptions } from '../test-kit/test-runner.js';
import { FunctionLogs } from './function-logs.js';

let logs: FunctionLogs;
let runner: TestRunner;

beforeEach(() => {
  logs = new FunctionLogs({ logBufferBytes: 1_000_000, maxLogCollectors: 8 });
});
afterEach(async () => {
  await runner.close();
  expect(logs.collectors).toBe(0);
});

/** Says hello to both outputs, and answers. */
const talker = fn((request, response, container) => {
  request.resume().once('end', () => {
    container.print('hello\n');
    container.print('uh\n', 'stderr');
    response.end();
  });
});

async function started(options: Partial<TestRunnerOptions> = {}): Promise<void> {
  runner = await TestRunner.start({ functions: { talker }, logs, ...options });
}

/** A collector, and what it has got so far. */
class Collecting {
  readonly lines: LogEntry[] = [];
  readonly end: Promise<unknown>;
  readonly open: Promise<void>;
  private readonly life = new AbortController();
  private waiting: (() => void)[] = [];

  constructor(config: Record<string, string> = {}) {
    let opened: () => void;
    this.open = new Promise((resolve) => {
      opened = resolve;
    });
    this.end = collectLogs({
      address: `127.0.0.1:${runner.runner.address.port}`,
      config,
      signal: this.life.signal,
      onOpen: () => opened(),
      onBatch: ({ lines }) => {
        this.lines.push(...lines);
        for (const wake of this.waiting.splice(0)) wake();
      },
    }).then(
      () => 'OK',
      (error: unknown) => error,
    );
  }

  async has(count: number): Promise<void> {
    while (this.lines.length < count) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  stop(): void {
    this.life.abort();
  }
}

it('follows the output of a function over gRPC: each line with its time, stream, call, function, app and container', async () => {
  await started();
  const collecting = new Collecting({ fn_id: 'fn-1' });
  await collecting.open;
  const before = Date.now();
  await runner.run({ image: 'talker', id: 'call-1', fnId: 'fn-1', appId: 'app-1' });
  await runner.run({ image: 'talker', id: 'call-2', fnId: 'fn-2', appId: 'app-1' });
  await runner.run({ image: 'talker', id: 'call-3', fnId: 'fn-1', appId: 'app-1' });
  await collecting.has(4);
  const containerId = collecting.lines[0]?.containerId;
  const common = { at: expect.any(Number), fnId: 'fn-1', appId: 'app-1', containerId };
  expect(collecting.lines).toEqual([
    { ...common, callId: 'call-1', source: 'stdout', text: Buffer.from('hello') },
    { ...common, callId: 'call-1', source: 'stderr', text: Buffer.from('uh') },
    { ...common, callId: 'call-3', source: 'stdout', text: Buffer.from('hello') },
    { ...common, callId: 'call-3', source: 'stderr', text: Buffer.from('uh') },
  ]);
  expect(containerId).toMatch(/^\w{26}$/);
  expect(collecting.lines[0]?.at).toBeGreaterThanOrEqual(before);
  collecting.stop();
  expect(await collecting.end).toBe('OK');
});

it('a collector that requests only the latest lines gets them, and the stream ends', async () => {
  await started();
  await runner.run({ image: 'talker' });
  const collecting = new Collecting({ tail: '1', follow: 'false' });
  expect(await collecting.end).toBe('OK');
  expect(collecting.lines.map(({ text }) => String(text))).toEqual(['uh']);
});

it('a collector that disconnects leaves nothing behind, and the others continue', async () => {
  await started();
  const [leaves, stays] = [new Collecting(), new Collecting()];
  await Promise.all([leaves.open, stays.open]);
  expect(logs.collectors).toBe(2);
  leaves.stop();
  expect(await leaves.end).toBe('OK');
  await runner.run({ image: 'talker' });
  await stays.has(2);
  expect(leaves.lines).toEqual([]);
  while (logs.collectors > 1) await new Promise((resolve) => setImmediate(resolve));
  stays.stop();
  await stays.end;
});

it('a runner that drains sends the last lines and ends the stream', async () => {
  await started();
  const collecting = new Collecting();
  await collecting.open;
  await runner.run({ image: 'talker' });
  for (const container of runner.driver.containers) container.print('last words');
  await runner.runner.drain({ graceMs: 10_000 });
  expect(await collecting.end).toBe('OK');
  expect(collecting.lines.map(({ text }) => String(text)).at(-1)).toBe('last words');
});

it('a collector with an invalid request gets the reason', async () => {
  await started();
  const collecting = new Collecting({ tail: 'all of them' });
  expect(await collecting.end).toMatchObject({
    code: 3,
    message: expect.stringContaining('start.config: tail: expected a whole number from 0 to ∞, got "all of them"'),
  });
});

it('protocol 100: a runner without logs refuses the stream with a reason', async () => {
  await started({ logs: undefined });
  const failure = await new Collecting().end;
  expect(failure).toBeInstanceOf(StreamError);
  expect(failure).toMatchObject({
    code: 2,
    message: expect.stringContaining('runner not configured with logStreamer'),
  });
});

import type { OutputLine } from '@fnfleet/agent';
import { count, RecordedMetrics, wallMs } from '@fnfleet/core';
import type { LogBatch } from '@fnfleet/protocol';
import { FunctionLogs } from './function-logs.js';
import type { CollectorMessage, CollectorStream, LogSession } from './log-session.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

let logs: FunctionLogs;
let collectors: Collector[];

beforeEach(() => {
  metrics.reset();
  collectors = [];
  logs = new FunctionLogs({ logBufferBytes: 100_000, maxLogCollectors: 3 });
});
afterEach(() => {
  for (const { session } of collectors) session?.onGone();
  expect(logs.collectors).toBe(0);
});

/** A collector's end of a stream, by hand. */
class Collector implements CollectorStream {
  readonly batches: LogBatch[] = [];
  opened = 0;
  /** How the stream was ended by the runner. */
  ended: string | undefined;
  readonly session: LogSession | undefined;

  constructor() {
    this.session = logs.accept(this);
    collectors.push(this);
  }

  open(): void {
    this.opened += 1;
  }

  send(batch: LogBatch): void {
    this.batches.push(batch);
  }

  end(): void {
    this.ended = 'OK';
  }

  fail(code: number, details: string): void {
    this.ended = `${code} ${details}`;
  }

  /** Sends messages, and lets the runner do what it does then. */
  async says(...messages: (CollectorMessage | 'ack' | 'ready' | 'unknown')[]): Promise<void> {
    for (const message of messages) this.session?.onMessage(typeof message === 'string' ? { kind: message } : message);
    await turn();
  }

  get texts(): string[][] {
    return this.batches.map(({ lines }) => lines.map(({ text }) => String(text)));
  }
}

const start = (config: Record<string, string> = {}): CollectorMessage => ({ kind: 'start', config });
const turn = () => new Promise((resolve) => setImmediate(resolve));

function aLine(text: string, overrides: Partial<OutputLine> = {}): OutputLine {
  const of = { callId: 'call', fnId: 'fn', appId: 'app', image: 'image', containerId: 'container' };
  return { at: wallMs(1000), source: 'stdout', text: Buffer.from(text), ...of, ...overrides };
}

async function printed(...texts: string[]): Promise<void> {
  for (const text of texts) logs.write(aLine(text));
  await turn();
}

describe('the exchange', () => {
  it('is start, ready, then a batch for each ack; lines printed meanwhile are sent together', async () => {
    const collector = new Collector();
    await collector.says(start());
    await printed('one', 'two');
    expect([collector.opened, collector.texts]).toEqual([1, []]);
    await collector.says('ready');
    expect(collector.texts).toEqual([['one', 'two']]);
    await printed('three');
    await printed('four');
    expect(collector.texts).toHaveLength(1);
    await collector.says('ack');
    expect(collector.texts.at(-1)).toEqual(['three', 'four']);
    await collector.says('ack');
    await printed('five');
    expect(collector.texts.at(-1)).toEqual(['five']);
  });

  it('sends no second batch for another ready: only an ack confirms the first', async () => {
    const collector = new Collector();
    await collector.says(start(), 'ready');
    await printed('one');
    await collector.says('ready');
    await printed('two');
    expect(collector.texts).toEqual([['one']]);
  });

  it('accepts an ack instead of ready, from a collector that requests each batch', async () => {
    const collector = new Collector();
    await collector.says(start(), 'ack');
    await printed('one');
    expect(collector.texts).toEqual([['one']]);
  });

  it.each`
    messages                          | ended
    ${['ready']}                      | ${'2 expected start session'}
    ${['unknown']}                    | ${'2 expected start session'}
    ${[start(), start()]}             | ${'2 expected ack'}
    ${[start(), 'unknown']}           | ${'2 expected ack'}
    ${[start({ tail: 'many' })]}      | ${'3 start.config: tail: expected a whole number from 0 to ∞, got "many"'}
    ${[start({ follow: 'yes' })]}     | ${'3 start.config: follow: expected 1 or true, 0 or false, got "yes"'}
    ${[start({ since: '-1' })]}       | ${'3 start.config: since: expected a whole number from 0 to ∞, got "-1"'}
    ${[start({ shape: 'x' }), 'ack']} | ${undefined}
  `('ends with "$ended" after the messages $messages', async ({ messages, ended }) => {
    const collector = new Collector();
    await collector.says(...messages);
    expect(collector.ended).toBe(ended);
  });

  it('never reads a file that a collector names', async () => {
    const collector = new Collector();
    await collector.says(start({ tail_FILE: '/etc/hostname' }), 'ready');
    expect(collector.ended).toBeUndefined();
  });

  it('ends when the collector closes its side', async () => {
    const collector = new Collector();
    await collector.says(start(), 'ready');
    collector.session?.onHalfClose();
    await printed('late');
    expect([collector.ended, collector.texts]).toEqual(['OK', []]);
  });
});

describe('what is sent', () => {
  it.each`
    config                            | sent
    ${{ fn_id: 'f1' }}                | ${['one', 'two']}
    ${{ fn_id: 'f1', call_id: 'c2' }} | ${['two']}
    ${{ app_id: 'a2' }}               | ${['three']}
    ${{ app_id: 'a2', fn_id: 'f1' }}  | ${undefined}
    ${{}}                             | ${['one', 'two', 'three']}
  `('for $config: $sent', async ({ config, sent }) => {
    const collector = new Collector();
    await collector.says(start(config), 'ready');
    logs.write(aLine('one', { fnId: 'f1', callId: 'c1', appId: 'a1' }));
    logs.write(aLine('two', { fnId: 'f1', callId: 'c2', appId: 'a1' }));
    logs.write(aLine('three', { fnId: 'f2', callId: 'c3', appId: 'a2' }));
    await turn();
    expect(collector.texts[0]).toEqual(sent);
  });

  it('begins with the latest lines if requested', async () => {
    for (const at of [1, 2, 3, 4]) logs.write(aLine(`${at}`, { at: wallMs(at), fnId: at === 3 ? 'other' : 'fn' }));
    const [last, since, none] = [new Collector(), new Collector(), new Collector()];
    await last.says(start({ fn_id: 'fn', tail: '2' }), 'ready');
    await since.says(start({ tail: '100', since: '2' }), 'ready');
    await none.says(start(), 'ready');
    expect([last.texts, since.texts, none.texts]).toEqual([[['2', '4']], [['3', '4']], []]);
    await last.says('ack');
    await printed('5');
    expect(last.texts.at(-1)).toEqual(['5']);
  });

  it('ends after them without follow', async () => {
    await printed('one');
    const collector = new Collector();
    await collector.says(start({ tail: '10', follow: 'false' }), 'ready');
    await printed('two');
    expect([collector.texts, collector.ended]).toEqual([[['one']], undefined]);
    await collector.says('ack');
    expect([collector.texts, collector.ended]).toEqual([[['one']], 'OK']);
  });
});

describe('a slow collector', () => {
  it('loses the oldest lines and learns how many; other collectors lose nothing', async () => {
    const [slow, quick] = [new Collector(), new Collector()];
    for (const collector of [slow, quick]) await collector.says(start(), 'ready');
    const texts = Array.from({ length: 100 }, (_, index) => `${index} ${'x'.repeat(2_000)}`);
    for (const text of texts) {
      await printed(text);
      await quick.says('ack');
    }
    await slow.says('ack');
    expect(quick.texts.flat()).toEqual(texts);
    expect(quick.batches.every(({ dropped }) => dropped === 0)).toBe(true);

    const [first, second] = slow.batches;
    const dropped = second?.dropped ?? 0;
    expect(first).toMatchObject({ dropped: 0, lines: [{ text: Buffer.from(texts[0] ?? '') }] });
    expect(dropped).toBeGreaterThan(50);
    expect(slow.texts[1]).toEqual(texts.slice(1 + dropped));
    expect(metrics.sum('log_dropped_lines')).toBe(dropped);
    await slow.says('ack');
    await printed('last');
    expect(slow.batches.at(-1)?.dropped).toBe(0);
  });

  it('shares dropped lines: a line that several collectors drop is counted once, and reported to each', async () => {
    const slow = [new Collector(), new Collector()];
    const other = new Collector();
    for (const collector of slow) await collector.says(start({ fn_id: 'fn' }), 'ready');
    await other.says(start({ fn_id: 'other' }), 'ready');
    await printed(...Array.from({ length: 100 }, () => 'x'.repeat(2_000)));
    for (const collector of slow) await collector.says('ack');
    const reported = slow.map(({ batches }) => batches.reduce((sum, { dropped }) => sum + dropped, 0));
    expect(reported[0]).toBeGreaterThan(50);
    expect(reported[1]).toBe(reported[0]);
    expect(metrics.sum('log_dropped_lines')).toBe(reported[0]);

    for (let n = 0; n < 100; n += 1) logs.write(aLine('x'.repeat(2_000), { fnId: 'other' }));
    await turn();
    await other.says('ack');
    const more = other.batches.reduce((sum, { dropped }) => sum + dropped, 0);
    expect(metrics.sum('log_dropped_lines')).toBe((reported[0] ?? 0) + more);
  });

  it('catches up in batches of bounded size', async () => {
    logs = new FunctionLogs({ logBufferBytes: 10_000_000, maxLogCollectors: 1 });
    const collector = new Collector();
    await collector.says(start());
    await printed(...Array.from({ length: 20 }, () => 'x'.repeat(60_000)));
    await collector.says('ready', 'ack', 'ack', 'ack');
    while (collector.texts.flat().length < 20) await collector.says('ack');
    expect(Math.max(...collector.texts.map((texts) => texts.join('').length))).toBeLessThan(600_000);
  });
});

describe('the runner', () => {
  it.each(['onHalfClose', 'onGone'] as const)(
    'keeps nothing for a collector that has disconnected (%s)',
    async (leaves) => {
      const collector = new Collector();
      await collector.says(start(), 'ready');
      collector.session?.[leaves]();
      await printed(...Array.from({ length: 100 }, () => 'x'.repeat(2_000)));
      expect([collector.batches, logs.collectors, metrics.sum('log_dropped_lines')]).toEqual([[], 0, 0]);
    },
  );

  it('refuses collectors beyond its limit', async () => {
    for (let n = 0; n < 3; n += 1) new Collector();
    expect(new Collector().ended).toBe('8 the runner already has 3 log collectors (FN_MAX_LOG_COLLECTORS)');
    collectors[0]?.session?.onGone();
    expect(new Collector().ended).toBeUndefined();
  });

  it('ends a stream at shutdown after the last line, and accepts no new one', async () => {
    const [waiting, idle] = [new Collector(), new Collector()];
    for (const collector of [waiting, idle]) await collector.says(start(), 'ready');
    await printed('one');
    await idle.says('ack');
    await printed('two');
    await idle.says('ack');
    logs.close();
    await turn();
    expect([idle.ended, waiting.ended]).toEqual(['OK', undefined]);
    await waiting.says('ack');
    await waiting.says('ack');
    expect([waiting.ended, waiting.texts]).toEqual(['OK', [['one'], ['two']]]);
    expect(new Collector().ended).toBe('14 the runner is shutting down');
  });
});

import { FakeClock, type Logger, silentLogger } from '@fnfleet/core';
import { aCall } from '@fnfleet/testing';
import { ContainerOutput, LineAssembler, MAX_LINE_BYTES } from './container-output.js';
import type { LogSink, OutputLine } from './log-sink.js';

describe('the output of a container', () => {
  let clock: FakeClock;
  let output: ContainerOutput;
  /** What the sinks of the agent, and of the call, received. */
  let received: string[];
  let own: string[];
  let errors: string[];
  beforeEach(() => {
    clock = new FakeClock();
    [received, own, errors] = [[], [], []];
    output = containerOutput(sink(received));
  });
  afterEach(() => {
    output.close();
    expect(clock.pendingTimers).toBe(0);
  });

  function sink(lines: string[]): LogSink {
    return {
      write: ({ callId, source, text }: OutputLine) => void lines.push(`${callId} ${source} ${text}`),
      close: () => void lines.push('closed'),
    };
  }

  function containerOutput(...sinks: LogSink[]): ContainerOutput {
    return withClock(clock, ...sinks);
  }

  function withClock(clock: FakeClock, ...sinks: LogSink[]): ContainerOutput {
    const log: Logger = { ...silentLogger, error: (what) => void errors.push(what) };
    const model = { fnId: 'fn', appId: 'app', image: 'img' };
    return new ContainerOutput({ containerId: 'c', model, sinks, limitBytes: 1_000, clock, log });
  }

  const print = (text: string, source: 'stdout' | 'stderr' = 'stdout') => output.listener(Buffer.from(text), source);
  const begin = (id: string, logSink = sink(own)) => output.begin({ model: aCall({ id }), logSink });

  it('a line may stay unfinished while its call runs', async () => {
    begin('1');
    print('slow');
    await clock.advance(10_000);
    print('ly\n');
    expect([received, own]).toEqual([['1 stdout slowly'], ['1 stdout slowly']]);
  });

  it('output up to a tenth of a second after the end of a call reaches its own sink, which is then closed', async () => {
    begin('1');
    output.end();
    await clock.advance(99);
    print('late\n');
    await clock.advance(1);
    print('later\n');
    expect(own).toEqual(['1 stdout late', 'closed']);
    expect(received).toEqual(['1 stdout late', '1 stdout later']);
  });

  it('of calls in quick succession, each has its own tenth of a second, and one timer serves all of them', async () => {
    let timers = 0;
    const counting = { ...clock, now: () => clock.now(), wallNow: () => clock.wallNow() };
    const after: FakeClock['after'] = (...what) => {
      timers += 1;
      return clock.after(...what);
    };
    output = withClock({ ...counting, after } as FakeClock, sink(received));
    for (let n = 0; n < 50; n += 1) {
      begin(`${n}`);
      output.end();
      await clock.advance(1);
    }
    expect(timers).toBe(1);
    own.splice(0);
    await clock.advance(98);
    print('late\n');
    expect(own).toEqual(['49 stdout late']);
    await clock.advance(1);
    expect(own).toEqual(['49 stdout late', 'closed']);
  });

  it('a line that was begun after its call ends after a while without new output', async () => {
    begin('1', { write: () => undefined, close: () => undefined });
    output.end();
    await clock.advance(100);
    print('half');
    await clock.advance(99);
    expect(received).toEqual([]);
    await clock.advance(1);
    expect(received).toEqual(['1 stdout half']);
    print('\n');
    expect(received).toEqual(['1 stdout half', '1 stdout ']);
  });

  it('an unfinished line of each stream ends with the next call, and belongs to the previous one', () => {
    begin('1');
    print('out');
    print('err', 'stderr');
    begin('2', sink([]));
    print('put\n');
    expect(received).toEqual(['1 stdout out', '1 stderr err', '2 stdout put']);
    expect(own).toEqual(['1 stdout out', '1 stderr err', 'closed']);
  });

  it('the end of the container ends unfinished lines and closes the sink of the call', () => {
    begin('1');
    print('last');
    output.close();
    expect([received, own]).toEqual([['1 stdout last'], ['1 stdout last', 'closed']]);
  });

  it('output before the first call belongs to no call', () => {
    print('loading\n');
    expect(received).toEqual([' stdout loading']);
  });

  it('a call that has printed too much loses the rest, including an unfinished line; the next call starts fresh', () => {
    begin('1');
    print(`${'x'.repeat(2_000)}\n`);
    expect(received.map((line) => line.slice(0, 22))).toEqual(['1 stdout xxxxxxxxxxxxx', '1 stdout -----max log ']);
    print('more');
    begin('2');
    print('fresh\n');
    expect(received.slice(2)).toEqual(['2 stdout fresh']);
  });

  it('a sink that throws gets no more lines, which is logged once; other sinks do', () => {
    let tries = 0;
    output = containerOutput(
      {
        write: () => {
          tries += 1;
          throw new Error('full');
        },
        close: () => undefined,
      },
      sink(received),
    );
    print('a\nb\n');
    expect([tries, received, errors.length]).toEqual([1, [' stdout a', ' stdout b'], 1]);
  });
});

describe('the lines of an output', () => {
  function linesOf(...chunks: string[]): string[] {
    const lines: string[] = [];
    const assembler = new LineAssembler();
    for (const chunk of chunks) assembler.push(Buffer.from(chunk), (line) => lines.push(String(line)));
    assembler.flush((line) => lines.push(`${line} (unended)`));
    expect(assembler.pending).toBe(false);
    return lines;
  }

  it.each([
    [['one\ntwo\n'], ['one', 'two']],
    [
      ['o', 'ne', '\nt', 'wo'],
      ['one', 'two (unended)'],
    ],
    [['\n\nthree\n'], ['', '', 'three']],
    [[''], []],
  ])('makes lines of %j', (chunks, lines) => {
    expect(linesOf(...chunks)).toEqual(lines);
  });

  it('splits lines that are too long without losing any bytes', () => {
    const long = 'x'.repeat(2 * MAX_LINE_BYTES + 5);
    const expected = [long.slice(0, MAX_LINE_BYTES), long.slice(0, MAX_LINE_BYTES), 'xxxxx'];
    expect(linesOf(`${long}\n`)).toEqual(expected);
    expect(linesOf(long.slice(0, 100), long.slice(100, 70_000), `${long.slice(70_000)}\n`)).toEqual(expected);
  });

  it('a line of exactly the maximum length is one line', () => {
    const line = 'x'.repeat(MAX_LINE_BYTES);
    expect(linesOf(`${line}\nnext\n`)).toEqual([line, 'next']);
  });

  it('retains nothing of the buffer of a chunk', () => {
    const assembler = new LineAssembler();
    const chunk = Buffer.from('mine\n');
    let line: Buffer | undefined;
    assembler.push(chunk, (made) => {
      line = made;
    });
    chunk.fill('x');
    expect(String(line)).toBe('mine');
  });
});

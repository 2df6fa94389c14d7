import { PassThrough } from 'node:stream';
import { count, createLogger, FakeClock, RecordedMetrics } from '@fnfleet/core';
import { fn, type ScriptedContainer } from '@fnfleet/drivers';
import { withLogger } from './call/call-options.js';
import { CollectedLines } from './test-kit/caller-ends.js';
import { NOTHING_LEFT, TestAgent } from './test-kit/test-agent.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

let test: TestAgent;
let logs: CollectedLines;

beforeEach(() => {
  metrics.reset();
  logs = new CollectedLines();
});
afterEach(async () => {
  expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
});

/** Prints what it is asked to, in one piece, and answers. */
const talker = fn((request, response, container) => {
  let asked = '';
  request.on('data', (chunk) => {
    asked += chunk;
  });
  request.on('end', () => {
    container.print(asked);
    response.end();
  });
});

function theContainer(): ScriptedContainer {
  const [container, ...others] = test.driver.containers;
  if (container === undefined || others.length > 0) throw new Error(`${others.length + 1} containers`);
  return container;
}

describe('the output of a function', () => {
  it('is delivered line by line, with its call, function, app, container, stream and time', async () => {
    const clock = new FakeClock();
    test = new TestAgent({ talker }, { clock, logSinks: [logs] });
    await test.answer({ image: 'talker', id: 'call-1', fnId: 'fn-1', appId: 'app-1', body: 'hello\n' });
    theContainer().print('oh\n', 'stderr');
    const common = { at: clock.wallNow(), callId: 'call-1', fnId: 'fn-1', appId: 'app-1', image: 'talker' };
    expect(logs.lines).toEqual([
      { ...common, containerId: theContainer().id, source: 'stdout', text: Buffer.from('hello') },
      { ...common, containerId: theContainer().id, source: 'stderr', text: Buffer.from('oh') },
    ]);
    expect(metrics.sum('log_lines')).toBe(2);
  });

  it('belongs to the call that began last: output may arrive after the response', async () => {
    test = new TestAgent({ talker }, { clock: new FakeClock(), logSinks: [logs] });
    test.driver.gates.listen.hold();
    const first = await test.invoke({ image: 'talker', id: 'one', body: 'during\n' });
    await test.driver.gates.listen.reached();
    theContainer().print('loading\n');
    test.driver.gates.listen.release();
    await first.done;
    theContainer().print('late\n');
    await test.answer({ image: 'talker', id: 'two', body: 'next\n' });
    expect(logs.byCall).toEqual([': loading', 'one: during', 'one: late', 'two: next']);
  });

  it('an unfinished line is delivered after a while without new output', async () => {
    const clock = new FakeClock();
    test = new TestAgent({ talker }, { clock, logSinks: [logs] });
    await test.answer({ image: 'talker', id: 'one', body: 'no e' });
    theContainer().print('nd');
    expect(logs.byCall).toEqual([]);
    await clock.advance(100);
    expect(logs.byCall).toEqual(['one: no end']);
  });

  it('an unfinished line is delivered before the next call begins, and before the container is gone', async () => {
    test = new TestAgent({ talker }, { clock: new FakeClock(), logSinks: [logs] });
    await test.answer({ image: 'talker', id: 'one', body: 'first' });
    await test.answer({ image: 'talker', id: 'two', body: 'second' });
    await test.agent.close();
    expect(logs.byCall).toEqual(['one: first', 'two: second']);
    expect(logs.closed).toBe(1);
  });

  it('is in the runner’s log at level debug, unless that is disabled', async () => {
    const output = new PassThrough();
    const logger = createLogger({ level: 'debug', format: 'json', stream: output });
    const entries = () =>
      String(output.read() ?? '')
        .split('\n')
        .filter((line) => line.includes('user_log'));
    test = new TestAgent({ talker }, { logger });
    await test.answer({ image: 'talker', id: 'one', body: 'it is "quoted"\n' });
    expect(entries().map((line) => JSON.parse(line))).toMatchObject([
      { level: 'debug', user_log: true, call_id: 'one', fn_id: 'fn-of-talker', app_id: 'app1', line: 'it is "quoted"' },
    ]);
    await test.agent.close();
    test = new TestAgent({ talker }, { logger, settings: { disableDebugUserLogs: true } });
    await test.answer({ image: 'talker', body: 'unheard\n' });
    expect(theContainer().isAttached).toBe(false);
  });
});

describe('the limit of a call', () => {
  it('agent-and-docker 82: the first bytes, then one line about the truncation, then nothing', async () => {
    test = new TestAgent({ talker }, { logSinks: [logs], settings: { maxLogBytes: 10 } });
    await test.answer({ image: 'talker', body: '0 line\n1 line\n2 line\n' });
    theContainer().print('3 line\n');
    expect(logs.text).toBe('0 line\n1 l\n-----max log size 10 bytes exceeded, truncating log-----\n');
    expect(metrics.sum('log_truncated_bytes')).toBe('ine'.length + '2 line\n3 line\n'.length);
  });

  it.each`
    printed         | delivered
    ${'0 lin\n'}    | ${'0 lin\n'}
    ${'0 line\n'}   | ${'0 line\n-----max log size 7 bytes exceeded, truncating log-----\n'}
    ${'0 line 1\n'} | ${'0 line \n-----max log size 7 bytes exceeded, truncating log-----\n'}
    ${'0 line'}     | ${'0 line\n-----max log size 7 bytes exceeded, truncating log-----\n'}
  `('agent-and-docker 82: a limit of 7 bytes, $printed', async ({ printed, delivered }) => {
    test = new TestAgent({ talker }, { logSinks: [logs], settings: { maxLogBytes: 7 } });
    await test.answer({ image: 'talker', body: printed });
    await test.agent.close();
    expect(logs.text).toBe(delivered);
  });

  it('is reset for the next call, even after a truncated line', async () => {
    test = new TestAgent({ talker }, { logSinks: [logs], settings: { maxLogBytes: 4 } });
    await test.answer({ image: 'talker', id: 'one', body: 'too long, and no end' });
    theContainer().print('lost');
    await test.answer({ image: 'talker', id: 'two', body: 'ok\n' });
    expect(logs.byCall.at(-1)).toBe('two: ok');
  });
});

describe('the sink of a call', () => {
  it('gets the lines of the call and is closed after the grace for late output', async () => {
    const clock = new FakeClock();
    const own = new CollectedLines();
    test = new TestAgent({ talker }, { clock });
    await test.answer({ image: 'talker', id: 'one', body: 'mine\n', options: [withLogger(own)] });
    theContainer().print('late\n');
    expect(own.closed).toBe(0);
    await clock.advance(100);
    expect(own.closed).toBe(1);
    theContainer().print('too late\n');
    await test.answer({ image: 'talker', id: 'two', body: 'not mine\n' });
    expect(own.byCall).toEqual(['one: mine', 'one: late']);
  });

  it('is closed when the next call begins', async () => {
    const [first, second] = [new CollectedLines(), new CollectedLines()];
    test = new TestAgent({ talker }, { clock: new FakeClock() });
    await test.answer({ image: 'talker', id: 'one', body: 'a\n', options: [withLogger(first)] });
    await test.answer({ image: 'talker', id: 'two', body: 'b\n', options: [withLogger(second)] });
    expect([first.closed, second.closed]).toEqual([1, 0]);
    await test.agent.close();
    expect([first.byCall, second.byCall, second.closed]).toEqual([['one: a'], ['two: b'], 1]);
  });

  it('is closed when the call never started', async () => {
    const own = new CollectedLines();
    test = new TestAgent({});
    expect(await test.outcome({ image: 'none', options: [withLogger(own)] })).toBe('imagePullFailed');
    expect(own.closed).toBe(1);
  });

  it('that throws gets no more lines, and affects nothing else', async () => {
    let asked = 0;
    const broken = {
      write: () => {
        asked += 1;
        throw new Error('disk full');
      },
      close: () => undefined,
    };
    test = new TestAgent({ talker }, { logSinks: [broken, logs] });
    await test.answer({ image: 'talker', body: 'one\ntwo\n' });
    expect(asked).toBe(1);
    expect(logs.text).toBe('one\ntwo\n');
  });
});

describe('a container', () => {
  it('agent-and-docker 83: has nothing attached when its output has no sink', async () => {
    test = new TestAgent({ talker });
    await test.answer({ image: 'talker', body: 'unheard\n' });
    expect(theContainer().isAttached).toBe(false);
  });

  it('has nothing attached when logs are disabled', async () => {
    test = new TestAgent({ talker }, { logSinks: [logs], settings: { disableFunctionLogs: true } });
    await test.answer({ image: 'talker', body: 'unheard\n' });
    expect(theContainer().isAttached).toBe(false);
    expect(logs.lines).toEqual([]);
  });
});

import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FakeClock, PeerError, RecordedMetrics } from '@fnfleet/core';
import { exitsAtStart, fn } from '@fnfleet/drivers';
import { Held, reportOf, TestRunner, type TestRunnerOptions } from './test-kit/test-runner.js';

const metrics = RecordedMetrics.install();
const IMAGE = 'status-checker';

/** A status image that answers with what it got. */
const echo = fn(async (request, response) => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  response.end(Buffer.concat(parts));
});

let runner: TestRunner;
let clock: FakeClock;
let folder: string;

async function start({ functions, ...options }: Partial<TestRunnerOptions> = {}) {
  runner = await TestRunner.start({
    functions: { [IMAGE]: echo, ...functions },
    statusImage: IMAGE,
    clock,
    ...options,
  });
  return runner;
}
const status = (signal?: AbortSignal) => runner.balancer.unary('Status', {}, { signal });

beforeEach(() => {
  clock = new FakeClock();
  folder = mkdtempSync(path.join(tmpdir(), 'status-'));
  metrics.reset();
});
afterEach(async () => {
  await runner.close();
  rmSync(folder, { recursive: true });
  expect(clock.pendingTimers).toBe(0);
});

describe('without a status image', () => {
  it('protocol 92: reports only counters and load, and runs no health check', async () => {
    let asked = 0;
    await start({ statusImage: undefined, kdumpsPath: folder, customHealth: () => ({ asked: `${++asked}` }) });
    expect(await status()).toEqual({
      ...NOTHING,
      load: expect.objectContaining({ instanceId: expect.stringMatching(/^[0-9a-f]{16}$/), draining: false }),
      about: expect.objectContaining({ hotContainers: 0, version: expect.stringMatching(/^\d+\./) }),
    });
    expect(asked).toBe(0);
    expect(metrics.values('status_call')).toEqual([]);
  });
});

describe('with a status image', () => {
  it('runs it and reports the result', async () => {
    await start();
    const answer = await status();
    expect(answer).toMatchObject({
      failed: false,
      errorCode: 0,
      errorStr: '',
      details: '{}',
      cached: false,
      isNetworkDisabled: false,
      customStatus: {},
      createdAt: '2026-01-01T00:00:00.000Z',
      startedAt: '2026-01-01T00:00:00.000Z',
      completedAt: '2026-01-01T00:00:00.000Z',
    });
    expect(answer.id).toMatch(/^[0-9A-Z]{26}$/);
    expect(metrics.sum('status_call', { cached: 'false', success: 'true', network: 'true' })).toBe(1);
  });

  it('runs it as a function without an app, in a container without memory or CPU', async () => {
    let seen: IncomingMessage | undefined;
    await start({
      functions: {
        [IMAGE]: fn((request, response) => {
          seen = request;
          response.end('well');
        }),
      },
    });
    const create = jest.spyOn(runner.driver, 'create');
    const { id } = await status();
    expect(create.mock.calls.map(([spec]) => spec)).toMatchObject([
      {
        image: IMAGE,
        memoryMb: 0,
        tmpfsMb: 0,
        cpuMillis: 0,
        appId: '',
        fnId: '',
        syslogUrl: '',
        networkDisabled: false,
        extensions: {},
        env: { FN_FORMAT: 'http-stream', FN_LISTENER: expect.stringMatching(/^unix:/) },
      },
    ]);
    expect(seen?.headers).toEqual({
      host: 'localhost',
      'content-length': '2',
      'fn-call-id': id,
      'fn-deadline': '2026-01-01T00:00:05Z',
    });
  });

  it('protocol 93: ten concurrent requests share one run, and only one gets it uncached', async () => {
    await start();
    const answers = await Promise.all(Array.from({ length: 10 }, () => status()));
    expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
    expect(answers.filter(({ cached }) => !cached)).toHaveLength(1);
    expect(runner.driver.counters.created).toBe(1);
    expect(metrics.sum('status_call', { cached: 'true' })).toBe(9);
  });

  it('protocol 94, agent-and-docker 90: a result is served for 1.5 s, then the image is run again', async () => {
    await start();
    const { id } = await status();
    await clock.advance(1_499);
    expect(await status()).toMatchObject({ id, cached: true });
    await clock.advance(1);
    const next = await status();
    expect(next.id).not.toBe(id);
    expect(next.cached).toBe(false);
  });

  it('the lifetime of a result starts at the end of its run', async () => {
    await start();
    runner.driver.gates.create.hold();
    const asked = status();
    await runner.driver.gates.create.reached();
    await clock.advance(30_000);
    runner.driver.gates.create.release();
    const { id } = await asked;
    await clock.advance(1_400);
    expect((await status()).id).toBe(id);
  });

  it('protocol 95: a caller that gives up does not end the run; the next one gets its result', async () => {
    await start();
    runner.driver.gates.create.hold();
    const caller = new AbortController();
    const asked = status(caller.signal);
    await runner.driver.gates.create.reached();
    caller.abort();
    await expect(asked).rejects.toMatchObject({ code: 1 });
    while (metrics.sum('status_call', { cached: 'error', success: 'error', network: 'error' }) === 0) await turn();
    const next = status();
    runner.driver.gates.create.release();
    expect(await next).toMatchObject({ failed: false, details: '{}' });
    expect(runner.driver.counters.created).toBe(1);
  });

  it('figures are current, whatever the age of the result', async () => {
    const held = new Held();
    await start({ functions: { held: fn(held.handler) }, kdumpsPath: folder });
    await status();
    const running = runner.offer({ image: 'held' });
    await held.untilCalled(1);
    writeFileSync(path.join(folder, 'crash.1'), '');
    expect(await status()).toMatchObject({
      cached: true,
      active: 1,
      requestsReceived: 1,
      requestsHandled: 0,
      kdumpsOnDisk: 1,
    });
    held.release();
    await running.status;
    await runner.run({ image: 'held', fnId: 'x', memoryMb: 999_999 });
    expect(await status()).toMatchObject({ cached: true, active: 0, requestsReceived: 2, requestsHandled: 2 });
  });

  it('protocol 98: Status2 has its own input, and shares the results', async () => {
    await start();
    const first = await runner.balancer.unary('Status2', struct({ b: { numberValue: 1 }, a: { stringValue: 'x' } }));
    expect(first).toMatchObject({ details: '{"a":"x","b":1}', cached: false });
    const second = await runner.balancer.unary('Status2', struct({ b: { numberValue: 2 } }));
    expect(second).toMatchObject({ id: first.id, details: '{"a":"x","b":1}', cached: true });
    expect(await status()).toMatchObject({ id: first.id, cached: true });
  });

  it('a number that JSON cannot represent is refused, and nothing is run', async () => {
    await start();
    const request = struct({ a: { numberValue: Number.POSITIVE_INFINITY } });
    await expect(runner.balancer.unary('Status2', request)).rejects.toMatchObject({ code: 2, details: /Infinity/ });
    expect(runner.driver.counters.created).toBe(0);
  });

  it('protocol 96, agent-and-docker 59: no network until the barrier exists, even as a dangling link', async () => {
    const networkBarrier = path.join(folder, 'network-is-up');
    await start({ networkBarrier });
    expect(await status()).toMatchObject({ isNetworkDisabled: true, failed: false });
    expect(runner.driver.containers.map(({ spec }) => spec.networkDisabled)).toEqual([true]);
    expect(metrics.sum('status_call', { network: 'false' })).toBe(1);

    symlinkSync('/does/not/exist', networkBarrier);
    expect(await status()).toMatchObject({ isNetworkDisabled: true, cached: true });
    await clock.advance(1_500);
    expect(await status()).toMatchObject({ isNetworkDisabled: false });
    expect(runner.driver.containers.map(({ spec }) => spec.networkDisabled)).toContain(false);
  });

  it('the custom health check is reported as well', async () => {
    await start({ customHealth: async () => ({ disk: 'nearly full' }) });
    expect(await status()).toMatchObject({ failed: false, details: '{}', customStatus: { disk: 'nearly full' } });
  });

  it('protocol 97: a failed health check is the status, and the image is not run', async () => {
    const customHealth = () => Promise.reject(new PeerError(450, 'disk is full', 'platform'));
    await start({ customHealth });
    expect(await status()).toMatchObject({
      failed: true,
      errorCode: 450,
      errorStr: 'disk is full',
      id: '',
      customStatus: {},
    });
    expect(runner.driver.counters.created).toBe(0);
    expect(metrics.sum('status_call', { success: 'false' })).toBe(1);
  });

  it('a health check that hangs fails the status after a minute', async () => {
    let asked: () => void = () => undefined;
    const called = new Promise<void>((resolve) => {
      asked = resolve;
    });
    const customHealth = () => {
      asked();
      return new Promise<never>(() => undefined);
    };
    await start({ customHealth });
    const answer = status();
    await called;
    await clock.advance(60_000);
    expect(await answer).toMatchObject({ failed: true, errorCode: 504, errorStr: 'Timed out' });
  });

  it('an image that does not start is a failed status', async () => {
    await start({ functions: { [IMAGE]: exitsAtStart(1) } });
    expect(await status()).toMatchObject({ failed: true, errorCode: 502, startedAt: '', details: '' });
  });

  it('an image that does not answer is given up after 5 s', async () => {
    const held = new Held();
    await start({ functions: { [IMAGE]: fn(held.handler) } });
    const answer = status();
    await held.untilCalled(1);
    await clock.advance(5_000);
    expect(await answer).toMatchObject({ failed: true, errorCode: 504, errorStr: 'Timed out' });
  });

  it('a run that does not start is given up after a minute', async () => {
    await start();
    runner.driver.gates.pull.hold();
    const answer = status();
    await runner.driver.gates.pull.reached();
    await clock.advance(60_000);
    expect(await answer).toMatchObject({ failed: true, errorCode: 503, startedAt: '' });
    runner.driver.gates.pull.release();
  });

  it('a response of more than a megabyte is refused', async () => {
    await start({
      functions: {
        [IMAGE]: fn((request, response) => request.resume().once('end', () => response.end(Buffer.alloc(3e6, 'x')))),
      },
    });
    const answer = await status();
    expect(answer).toMatchObject({ failed: true, errorCode: 502, errorStr: 'function response body too large' });
  });

  it('needs no room: a full runner answers', async () => {
    const held = new Held();
    await start({ functions: { held: fn(held.handler) }, memoryMb: 256 });
    const running = runner.offer({ image: 'held', memoryMb: 256 });
    await held.untilCalled(1);
    expect(await status()).toMatchObject({ failed: false, active: 1 });
    held.release();
    await running.status;
  });

  it('protocol 28, agent-and-docker 90: functions cannot use it', async () => {
    await start();
    const report = reportOf((await runner.run({ image: IMAGE })).messages);
    expect(report).toMatchObject({ errorCode: 400, errorText: 'Invalid Fn image' });
    expect(runner.driver.counters.created).toBe(0);
  });
});

describe('ConfigureRunner', () => {
  it('protocol 99: without a handler is answered with an empty OK, and logged', async () => {
    const warnings: string[] = [];
    await start({ logger: recording(warnings) });
    expect(await runner.balancer.unary('ConfigureRunner', { config: { a: 'secret' } })).toEqual({});
    expect(warnings).toEqual(['ConfigureRunner: ignoring settings, because this runner has no handler for them']);
  });

  it('passes the settings on, and reports when they are rejected', async () => {
    const taken: unknown[] = [];
    await start({
      configure: async (config) => {
        if (config.mode === 'wrong') throw new Error('mode: expected fast or slow, got "wrong"');
        taken.push({ ...config });
      },
    });
    expect(await runner.balancer.unary('ConfigureRunner', { config: { mode: 'fast' } })).toEqual({});
    expect(taken).toEqual([{ mode: 'fast' }]);
    await expect(runner.balancer.unary('ConfigureRunner', { config: { mode: 'wrong' } })).rejects.toMatchObject({
      code: 2,
      details: 'mode: expected fast or slow, got "wrong"',
    });
  });
});

/** A status without any information. */
const NOTHING = {
  active: 0,
  failed: false,
  id: '',
  details: '',
  errorCode: 0,
  errorStr: '',
  createdAt: '',
  startedAt: '',
  completedAt: '',
  cached: false,
  requestsReceived: 0,
  requestsHandled: 0,
  kdumpsOnDisk: 0,
  schedulerDuration: 0,
  executionDuration: 0,
  isNetworkDisabled: false,
  customStatus: {},
  imagePullWaitDuration: 0,
  ctrPrepDuration: 0,
  ctrCreateDuration: 0,
  initStartTime: 0,
};

const struct = (fields: object) => ({ fields });

function recording(warnings: string[]): TestRunnerOptions['logger'] {
  const logger = {
    debugEnabled: false,
    error: () => undefined,
    warn: (text: string) => void warnings.push(text),
    info: () => undefined,
    debug: () => undefined,
    child: () => logger,
  };
  return logger;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

import { getEventListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import {
  CancelledError,
  COMPLETED,
  FakeClock,
  FnError,
  MIB,
  parseApp,
  parseFn,
  RecordedMetrics,
  type ResponseWriter,
  silentLogger,
} from '@fnfleet/core';
import { newStaticRunnerPool } from '@fnfleet/discovery';
import { type FakeAttempt, FakeRunner, reportOf } from '@fnfleet/placement';
import type { AttemptOutcome, OutboundCall } from '@fnfleet/protocol';
import { aCall, anOutboundCall, RecordingWriter } from '@fnfleet/testing';
import {
  fromHttpFnRequest,
  fromModel,
  invokeDetached,
  type LbCallOption,
  withController,
  withExplanation,
  withExtensions,
  withRequestId,
  withTrigger,
  withWriter,
} from './call/call-options.js';
import type { LbAgent, LbAgentOptions } from './lb-agent.js';
import { newLbAgent, newLbAgentWithPlacement } from './new-lb-agent.js';

const metrics = RecordedMetrics.install();

let clock: FakeClock;
let runner: FakeRunner;
let agent: LbAgent;
/** Every one that was made. */
let agents: LbAgent[];
let writer: ResponseWriter;

beforeEach(() => {
  metrics.reset();
  clock = new FakeClock();
  runner = new FakeRunner('r1').finishes();
  writer = new RecordingWriter();
  agents = [];
  agent = anAgent();
});
afterEach(async () => {
  await Promise.all(agents.map((one) => one.close()));
  expect(clock.pendingTimers).toBe(0);
  expect([metrics.sum('queued'), metrics.sum('running')]).toEqual([0, 0]);
});

describe('a detached call leaves no timer behind when it', () => {
  /** Acknowledged, then this. */
  const begins =
    (end: (call: OutboundCall) => AttemptOutcome): FakeAttempt =>
    async (call) => {
      call.response.writeHead(202, []);
      return end(call);
    };

  /** With how long it lives; the limit is 31.1 s. */
  it.each<[string, (runner: FakeRunner) => FakeRunner, number?]>([
    ['succeeds', (r) => r.does(begins((call) => ({ kind: 'finished', report: reportOf(call) })))],
    ['succeeds without an acknowledgement', (r) => r.finishes()],
    ['fails after it was acknowledged', (r) => r.does(begins(() => FAILED))],
    ['fails before it was acknowledged', (r) => r.does(async () => FAILED)],
    ['is not placed', (r) => r.refuses('busy')],
    ['exceeds its deadline', (r) => r.hangs(), 31_100],
  ])('%s', async (_, script, livesMs = 1000) => {
    runner = script(new FakeRunner('r1'));
    agent = anAgent({ timing: { detachedPlacerTimeoutMs: 100 }, executionHeadroomMs: 1000 });
    const call = await agent.getCall(...aSyncCall(), invokeDetached());
    const submitted = agent.submit(call).catch(() => undefined);
    expect(clock.pendingTimers).toBeGreaterThan(0);
    await clock.advance(livesMs);
    await submitted;
    // What looks at the fleet now and then ends with the agent.
    await Promise.all(agents.map((one) => one.close()));
    expect(clock.pendingTimers).toBe(0);
    expect(getEventListeners(call.signal, 'abort')).toEqual([]);
  });
});

const FAILED: AttemptOutcome = { kind: 'failed', blame: 'function', error: new FnError('functionFailed') };

describe('building a call', () => {
  it('requires a model, a body and a writer', async () => {
    const modelOnly: LbCallOption = (draft) => {
      draft.model = aCall();
    };
    const bodyOnly: LbCallOption = (draft) => {
      draft.body = anOutboundCall().body;
    };
    for (const options of [[], [modelOnly], [bodyOnly]]) {
      await expect(agent.getCall(...options, withWriter(writer))).rejects.toThrow(
        'no model or request provided for call',
      );
    }
    await expect(agent.getCall(fromModel(aCall(), Buffer.alloc(0)))).rejects.toThrow('no writer provided for call');
  });

  it.each([
    ['withTrigger', withTrigger('t')],
    ['invokeDetached', invokeDetached()],
  ])('reports an error if %s comes before the model', async (name, option) => {
    await expect(agent.getCall(option, fromModel(aCall(), Buffer.alloc(0)))).rejects.toThrow(
      `${name} comes after the option that sets the model of the call`,
    );
  });

  it('options of an embedder for a request apply to its call', async () => {
    const source = Object.assign(Readable.from([Buffer.from('in')]), {
      method: 'PUT',
      url: '/invoke/f?q',
      rawHeaders: ['X-A', '1'],
    });
    const req = Object.assign(source, { headers: { 'content-length': '2' }, socket: {} }) as unknown as IncomingMessage;
    const app = { ...parseApp('{"id":"a","name":"shop"}') };
    const fn = {
      ...parseFn('{"id":"f","name":"cart","app_id":"a","image":"i","memory":128,"timeout":5,"idle_timeout":5}'),
    };
    const call = await agent.getCall(
      fromHttpFnRequest(app, fn, req),
      withWriter(writer),
      withRequestId('r-1'),
      withExplanation(),
    );
    expect(call).toMatchObject({ request: req, requestId: 'r-1', events: { detailed: true } });
    expect(call.model).toMatchObject({ fnId: 'f', appId: 'a', method: 'PUT', headers: { 'X-A': ['1'] } });
    expect((await agent.getCall(...aSyncCall())).events?.detailed).toBe(false);
    await agent.submit(call);
    expect(runner.attempts).toBe(1);
  });

  it('the overrider runs last, changes only this call, and chooses the extensions that are sent with it', async () => {
    const shared = aCall({ config: { FN_CPUS: '1', A: '1' }, cpuMillis: 100 });
    agent = anAgent({
      callOptions: [withExtensions({ agent: '1' })],
      callOverrider: async (_request, model, extensions) => {
        delete model.config.FN_CPUS;
        model.cpuMillis = 0;
        return { ...extensions, overridden: '1' };
      },
    });
    const call = await agent.getCall(
      fromModel(shared, Buffer.alloc(0)),
      withExtensions({ own: '1' }),
      withWriter(writer),
    );

    expect(call.extensions).toEqual({ own: '1', agent: '1', overridden: '1' });
    expect(call.model).toMatchObject({ config: { A: '1' }, cpuMillis: 0 });
    expect(shared).toMatchObject({ config: { FN_CPUS: '1', A: '1' }, cpuMillis: 100 });
  });
});

describe('submitting a call', () => {
  it('protocol 67: calls listeners before and after, in the order in which they were added', async () => {
    const events: string[] = [];
    for (const name of ['a', 'b']) {
      agent.addCallListener({
        beforeCall: (call) => void events.push(`before ${name}: ${call.model.status} ${runner.attempts}`),
        afterCall: (call) => void events.push(`after ${name}: ${call.model.status} ${runner.attempts}`),
      });
    }
    await submit();
    expect(events).toEqual(['before a: running 0', 'before b: running 0', 'after a: success 1', 'after b: success 1']);
  });

  it('protocol 68: a listener that throws ends the call before it is placed', async () => {
    const events: string[] = [];
    agent.addCallListener({
      beforeCall: () => Promise.reject(new FnError('badRequest', { params: { reason: 'quota' } })),
      afterCall: () => void events.push('after'),
    });
    agent.addCallListener({ beforeCall: () => void events.push('second') });

    await expect(submit()).rejects.toMatchObject({ code: 'badRequest' });
    expect([runner.attempts, events]).toEqual([0, []]);
    expect(metrics.sum('errors')).toBe(1);
  });

  it('an error of a listener after the call changes nothing', async () => {
    agent.addCallListener({ afterCall: () => Promise.reject(new Error('disk full')) });
    await submit();
    expect(metrics.sum('completed')).toBe(1);
  });

  it('protocol 69: a closed agent answers that it is too busy, and queues nothing', async () => {
    const call = await agent.getCall(...aSyncCall());
    await agent.close();
    await expect(agent.submit(call)).rejects.toMatchObject({ code: 'serverBusy' });
    await expect(agent.foresee(call)).rejects.toMatchObject({ code: 'serverBusy' });
    expect([metrics.sum('calls'), metrics.sum('server_busy'), call.model.startedAt]).toEqual([1, 1, undefined]);
  });

  it.each`
    story                                | error                                | metric           | status
    ${'successfully'}                    | ${undefined}                         | ${'completed'}   | ${'success'}
    ${'with a failure of its function'}  | ${new FnError('functionFailed')}     | ${'errors'}      | ${'error'}
    ${'because its client disconnected'} | ${new CancelledError()}              | ${'canceled'}    | ${'error'}
    ${'past its deadline'}               | ${new FnError('reservationExpired')} | ${'timeouts'}    | ${'timeout'}
    ${'without a runner'}                | ${new FnError('serverBusy')}         | ${'server_busy'} | ${'error'}
    ${'over its app’s share'}            | ${new FnError('appOverShare')}       | ${'server_busy'} | ${'error'}
  `('a call that ends $story counts as $metric', async ({ error, metric, status }) => {
    if (error) runner = new FakeRunner('r1').fails(error);
    agent = anAgent();
    const call = await agent.getCall(...aSyncCall());
    const submitted = agent.submit(call);
    if (error) await expect(submitted).rejects.toBe(error);
    else await submitted;

    expect(call.model).toMatchObject({ status, startedAt: clock.wallNow(), completedAt: clock.wallNow() });
    expect(metrics.sum(metric)).toBe(1);
    expect(metrics.values('lb_call_latency', { call_status: metric })).toHaveLength(1);
  });

  it('the latency metric is that of the balancer, without the execution time of the function', async () => {
    runner = new FakeRunner('r1').does(async (call) => {
      await clock.sleep(500);
      call.addExecution(480e6);
      return { kind: 'finished', report: reportOf(call) };
    });
    agent = anAgent();
    const submitted = submit();
    await clock.advance(500);
    await submitted;
    expect(metrics.values('lb_call_latency')).toEqual([20]);
  });

  it('a call without a history entry explains only where it ran', async () => {
    agent = anAgent({ explainCalls: 0 });
    const call = await agent.getCall(...aSyncCall());
    await agent.submit(call);
    expect([call.explain(true), call.explain(false)]).toEqual(['runner=r1; attempts=1', 'attempts=1']);
    expect(agent.explain(call.model.id)).toBeUndefined();
  });

  it('without a configured limit the bodies of waiting calls may take 256 MiB', async () => {
    runner = new FakeRunner('r1').refuses('busy');
    agent = anAgent();
    const ends: unknown[] = [];
    for (const heldBytes of [128 * MIB, 128 * MIB, 1]) {
      const body = Object.assign(anOutboundCall().body, { heldBytes });
      void submit(fromModel(aCall(), body)).catch(({ code }) => ends.push(code));
      await clock.advance(0);
    }
    expect([agent.fleetStatus()?.waiting, ends]).toEqual([2, ['serverBusy']]);
  });

  it('the call of a caller that has disconnected is not placed', async () => {
    const controller = new AbortController();
    controller.abort(new CancelledError());
    await expect(submit(withController(controller))).rejects.toThrow(CancelledError);
    expect([runner.attempts, metrics.sum('canceled')]).toEqual([0, 1]);
  });

  it('a placer that misbehaves ends the call, not the process', async () => {
    agent = aPlacingAgent(
      newStaticRunnerPool(['r1'], () => runner),
      {
        order: () => {
          throw new TypeError('no order');
        },
      },
      { clock },
    );
    await expect(submit()).rejects.toThrow('no order');
  });
});

describe('a detached call', () => {
  it('is cancelled when its placement time, timeout and headroom are over', async () => {
    runner = new FakeRunner('r1').hangs();
    agent = anAgent({ executionHeadroomMs: 1000, timing: { detachedPlacerTimeoutMs: 2000 } });
    const submitted = submit(invokeDetached()).catch((error: unknown) => error);
    await clock.advance(2000 + 30_000 + 1000);
    expect(await submitted).toMatchObject({ code: 'reservationExpired' });
    expect(metrics.sum('timeouts')).toBe(1);
  });
});

it('an agent that does not place calls on runners reports none', async () => {
  const own = newLbAgentWithPlacement({
    countsCalls: false,
    place: async () => COMPLETED,
    outlook: async () => ({ runners: 1, ready: 1, hot: 0 }),
    close: async () => undefined,
  });
  agents.push(own);
  await own.askRunners(10);
  expect([own.fleetStatus(), own.setCordoned('r1', true)]).toEqual([undefined, false]);
  await own.submit(await own.getCall(...aSyncCall()));
});

describe('ending', () => {
  it('a drain waits for calls in flight up to its grace, then cancels them', async () => {
    runner = new FakeRunner('r1').hangs();
    agent = anAgent();
    const call = await agent.getCall(...aSyncCall());
    const submitted = agent.submit(call).catch((error: unknown) => error);
    const drained = agent.drain({ graceMs: 1000 });
    await clock.advance(999);
    await expect(submit()).rejects.toMatchObject({ code: 'serverBusy' });
    expect([runner.closed, runner.attempts]).toEqual([false, 1]);
    await clock.advance(1);
    expect(await drained).toBe('expired');
    expect(await submitted).toBeInstanceOf(CancelledError);
    expect(runner.closed).toBe(true);
  });

  it('a runner that ignores cancellation does not keep the agent from closing', async () => {
    runner = new FakeRunner('r1').does(() => new Promise(() => undefined));
    agent = anAgent();
    const call = await agent.getCall(...aSyncCall());
    agent.submit(call).catch(() => undefined);
    const closed = agent.close();
    await clock.advance(5000);
    await closed;
    expect(runner.closed).toBe(true);
    metrics.reset(); // that call will never end
  });

  it('a pool that cannot be closed does not keep the agent from closing', async () => {
    const pool = { runners: () => ({ runners: [] }), close: () => Promise.reject(new Error('no')) };
    const said: string[] = [];
    const logger = { ...silentLogger, error: (what: string) => void said.push(what) };
    agent = aPlacingAgent(pool, { order: (_call, { candidates }) => candidates }, { clock, logger });
    await agent.close();
    expect(said).toEqual(['cannot close the runner pool']);
  });
});

function aPlacingAgent(...parts: Parameters<typeof newLbAgent>): LbAgent {
  const made = newLbAgent(...parts);
  agents.push(made);
  return made;
}

function anAgent(options: LbAgentOptions = {}): LbAgent {
  return aPlacingAgent(
    newStaticRunnerPool(['r1'], () => runner),
    { order: (_call, { candidates }) => candidates },
    { clock, ...options },
  );
}

function aSyncCall(): LbCallOption[] {
  return [
    fromModel(aCall({ createdAt: clock.wallNow(), startedAt: undefined }), Buffer.from('in')),
    withWriter(writer),
  ];
}

async function submit(...options: LbCallOption[]): Promise<void> {
  return agent.submit(await agent.getCall(...aSyncCall(), ...options));
}

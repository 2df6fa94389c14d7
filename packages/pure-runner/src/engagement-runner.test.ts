import type { Agent, AgentCall } from '@fnfleet/agent';
import {
  CallDecodeError,
  CancelledError,
  closeSpan,
  completeBody,
  encodeCall,
  FakeClock,
  FnError,
  type Logger,
  later,
  NO_TRACE,
  openSpan,
  RecordedSpans,
  SpanKind,
  silentLogger,
} from '@fnfleet/core';
import { type CallIo, decodeOrca, type TryMessage } from '@fnfleet/protocol';
import { aCall, RecordingWriter } from '@fnfleet/testing';
import { type EngagementDeps, engagementRunner } from './engagement-runner.js';

const clock = new FakeClock();

/** What the agent was asked to build: what its options left behind. */
let draft: Record<string, unknown>;
/** What the agent does with a call. */
let executes: (call: AgentCall) => Promise<void>;
let said: [what: string, fields: Record<string, unknown>][];
let caller: AbortController;
let response: RecordingWriter;
beforeEach(() => {
  draft = {};
  executes = async () => undefined;
  said = [];
  caller = new AbortController();
  response = new RecordingWriter();
});

const logger: Logger = { ...silentLogger, warn: (what, fields = {}) => void said.push([what, { ...fields }]) };

const agent = {
  async getCall(...options: ((draft: Record<string, unknown>) => void)[]) {
    for (const option of options) option(draft);
    return { ...draft, slotKey: draft.slotKey ?? 'own', timings: {} } as unknown as AgentCall;
  },
  submit: (call: AgentCall) => executes(call),
} as unknown as Agent;

/** Reports as many free slots as the key it is asked for has letters. */
const load = {
  draining: false,
  report: (slotKey?: string) => ({
    instanceId: '',
    memoryUsedBytes: 0,
    memoryTotalBytes: 1,
    memoryIdleBytes: 0,
    cpuUsedMillis: 0,
    cpuTotalMillis: 1,
    active: 0,
    waiting: 0,
    freeSlots: slotKey?.length,
    draining: false,
    degraded: false,
    degradedReason: '',
  }),
};

async function run(
  offer: Partial<TryMessage> = {},
  { io = {}, ...deps }: Partial<EngagementDeps> & { io?: Partial<CallIo> } = {},
) {
  const { report, load: trailer } = await engagementRunner({
    agent,
    clock,
    logger,
    load: load as unknown as EngagementDeps['load'],
    ...deps,
  })(
    { kind: 'try', callJson: encodeCall(aCall({ id: 'c1', image: 'img' })), slotHash: '', extensions: {}, ...offer },
    {
      body: completeBody(Buffer.from('body')),
      response,
      signal: caller.signal,
      deadlineAt: undefined,
      trace: NO_TRACE,
      beforeStart: undefined,
      ...io,
    },
  );
  return { report, freeSlots: decodeOrca(trailer ?? '', '')?.freeSlots };
}

describe('a call is passed to the agent', () => {
  it('with its body, its writer, its signal and its extensions, dated by its arrival', async () => {
    const { report } = await run({ extensions: { a: 'b' } });
    expect(report).toMatchObject({ success: true, callId: 'c1', image: 'img' });
    expect(draft).toMatchObject({ response, signal: caller.signal, extensions: { a: 'b' } });
    expect(draft.model).toMatchObject({ createdAt: clock.wallNow(), startedAt: undefined, completedAt: undefined });
    expect('deadlineAt' in draft).toBe(false);
  });

  it('with its deadline and the slot key of its balancer, if present', async () => {
    const deadlineAt = later(clock.now(), 500);
    const { freeSlots } = await run({ slotHash: 'AB12' }, { io: { deadlineAt } });
    expect(draft).toMatchObject({ deadlineAt, slotKey: 'ab12' });
    expect(freeSlots).toBe(4);
  });

  it.each(['abc', 'xyzt', 'ab 12', '12zz', 'zz12'])(
    'a slot key of %p is refused as a fault of the caller',
    async (slotHash) => {
      const { report, freeSlots } = await run({ slotHash });
      expect(report).toMatchObject({ success: false, errorUser: true });
      expect(report.errorText).toContain(`slot_hash_id: expected hexadecimal digits in pairs, got "${slotHash}"`);
      expect([freeSlots, said]).toEqual([undefined, []]);
    },
  );

  it('an invalid one is refused as the caller’s fault', async () => {
    expect((await run({ callJson: 'nonsense' })).report).toMatchObject({ success: false, errorUser: true, callId: '' });
    expect(said).toEqual([]);
  });

  it('the status image cannot be called', async () => {
    const { report } = await run({}, { statusImage: 'img' });
    expect(report).toMatchObject({ errorCode: new FnError('invalidFnImage').status, errorUser: true });
    expect((await run({}, { statusImage: 'other' })).report.success).toBe(true);
  });

  it('a runner that drains is busy', async () => {
    const draining = { ...load, draining: true } as unknown as EngagementDeps['load'];
    expect((await run({}, { load: draining })).report).toMatchObject({ errorCode: 503, errorUser: false });
  });
});

describe('the failure of a call is in its report, and only unexpected failures are logged', () => {
  it.each`
    error                            | code   | logged
    ${new FnError('functionFailed')} | ${502} | ${0}
    ${new FnError('internal')}       | ${0}   | ${0}
    ${new CallDecodeError('no')}     | ${0}   | ${0}
    ${new Error('a surprise')}       | ${0}   | ${1}
  `('$error: $logged lines', async ({ error, code, logged }) => {
    executes = () => Promise.reject(error);
    expect((await run()).report).toMatchObject({ success: false, errorCode: code });
    expect(said).toHaveLength(logged);
    if (logged > 0) expect(said[0]).toEqual(['call failed', { callId: 'c1', fnId: 'fn1', error }]);
  });

  it('a call that the balancer cancelled is not logged', async () => {
    executes = () => {
      caller.abort(new CancelledError());
      return Promise.reject(new Error('a surprise'));
    };
    expect((await run()).report.success).toBe(false);
    expect(said).toEqual([]);
  });
});

describe('in a trace', () => {
  let recorded: RecordedSpans;
  beforeEach(() => {
    recorded = RecordedSpans.install();
  });
  afterEach(() => recorded.uninstall());

  it.each`
    end            | error                            | recordedError
    ${'ends well'} | ${undefined}                     | ${undefined}
    ${'fails'}     | ${new FnError('functionFailed')} | ${new FnError('functionFailed').message}
  `(
    'the span of a call that $end is a child of the balancer’s span, and the parent of what happens for the call',
    async ({ error, recordedError }) => {
      executes = async (call) => {
        closeSpan(openSpan('inside', call.trace, SpanKind.INTERNAL));
        if (error) throw error;
      };
      const balancer = openSpan('balancer', NO_TRACE, SpanKind.CLIENT);
      await run({}, { io: { trace: balancer.context } });
      expect(recorded.wayTo('inside')).toEqual(['balancer', 'RunnerProtocol/Engage', 'inside']);
      expect(recorded.named('RunnerProtocol/Engage')).toMatchObject([{ ended: true, error: recordedError }]);
    },
  );

  it('an untraced call has no span', async () => {
    await run();
    expect(recorded.spans).toEqual([]);
  });
});

describe('a detached call', () => {
  const detached = { callJson: encodeCall(aCall({ type: 'detached' })) };

  it('is refused if detached calls are disabled', async () => {
    expect((await run(detached)).report).toMatchObject({ errorCode: new FnError('detachUnsupported').status });
  });

  it('is acknowledged when a function is ready to take it; the response of the function is dropped', async () => {
    executes = async (call) => {
      expect(response.status).toBeUndefined();
      await new Promise<void>((start) => call.beforeStart?.(start));
      expect(response.status).toBe(202);
      call.response.writeHead(500, []);
      call.response.write(Buffer.from('unheard'));
    };
    expect((await run(detached, { detached: true })).report.success).toBe(true);
    expect([response.status, response.body.length]).toEqual([202, 0]);
  });

  it('is acknowledged before its start is announced to the balancer', async () => {
    const said: (number | undefined)[] = [];
    const beforeStart = (start: () => void) => {
      said.push(response.status);
      start();
    };
    executes = (call) => new Promise<void>((start) => call.beforeStart?.(start));
    await run(detached, { detached: true, io: { beforeStart } });
    expect(said).toEqual([202]);
  });

  it('that no function can take is not acknowledged', async () => {
    executes = async () => {
      throw new FnError('containerInitFailed');
    };
    await run(detached, { detached: true });
    expect(response.status).toBeUndefined();
  });
});

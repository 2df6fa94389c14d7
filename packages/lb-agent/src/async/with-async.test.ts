import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type CallTemplate, FakeClock, FnError, systemClock } from '@fnfleet/core';
import { newStaticRunnerPool } from '@fnfleet/discovery';
import { FakeRunner, reportOf } from '@fnfleet/placement';
import { type MessageQueue, openSqliteQueue } from '@fnfleet/queue';
import { anOutboundCall, startScriptedRunner } from '@fnfleet/testing';
import { fromModel, withWriter } from '../call/call-options.js';
import { invokeHead } from '../http/response-head.js';
import type { LbAgent } from '../lb-agent.js';
import { newApiLookup } from '../lookup/function-lookup.js';
import { newLbAgent } from '../new-lb-agent.js';
import { FakeApiNode } from '../test-kit/fake-api-node.js';
import { untilEnded } from '../test-kit/queued-calls.js';
import { CONTENTS, TestFleet } from '../test-kit/test-fleet.js';
import {
  asyncMessage,
  newDirectDequeueAccess,
  newDirectEnqueueAccess,
  newUnsupportedAsyncEnqueueAccess,
} from './call-queues.js';
import { CollectedResponse } from './collected-response.js';
import { type AsyncOptions, withAsync } from './with-async.js';

const clock = systemClock;
const message = (id: string) =>
  asyncMessage(
    {
      id,
      fnId: 'fn1',
      method: 'PUT',
      url: '/u',
      headers: { 'X-A': ['1'] },
      triggerId: 't',
      createdAt: clock.wallNow(),
    },
    Buffer.from('cat'),
  );

describe('an agent of an embedder with asynchronous calls', () => {
  let api: FakeApiNode;
  let queue: MessageQueue;
  let runner: FakeRunner;

  beforeEach(async () => {
    api = await FakeApiNode.start(CONTENTS);
    queue = await openSqliteQueue({ path: ':memory:' });
    runner = new FakeRunner('r');
  });
  afterEach(async () => {
    await queue.close();
    await api.close();
  });

  function start(options: Partial<AsyncOptions> = {}) {
    const lookup = newApiLookup(api.url, { clock });
    const placer = { order: (_call: object, { candidates }: { candidates: readonly FakeRunner[] }) => candidates };
    const plain = newLbAgent(
      newStaticRunnerPool(['r'], () => runner),
      placer as never,
    );
    return { agent: withAsync(plain, newDirectDequeueAccess(queue), { lookup, holder: 'me', ...options }), lookup };
  }

  it('runs what was enqueued, and reports how it ended', async () => {
    runner.finishes({ body: 'meow' });
    const { agent, lookup } = start();
    expect(await newDirectEnqueueAccess(queue).enqueue(message('c1'))).toEqual({ callId: 'c1', duplicate: false });
    expect(await untilEnded(queue, 'c1')).toMatchObject({ state: 'success', history: [{ holder: 'me' }] });
    expect(runner.offered[0]?.model).toMatchObject({
      ...{ id: 'c1', type: 'async', method: 'PUT', url: '/u', triggerId: 't' },
      headers: { 'X-A': ['1'], 'Fn-Attempt': ['1'] },
    });
    await agent.close();
    await lookup.close();
  });

  it('finishes them when it is drained, and leaves the others in the queue', async () => {
    const gate = Promise.withResolvers<void>();
    runner.does(async (call, signal) => {
      await gate.promise;
      return new FakeRunner('inner').finishes().tryCall(call, signal);
    });
    const { agent, lookup } = start();
    await newDirectEnqueueAccess(queue).enqueue(message('c1'));
    while (runner.attempts < 1) await new Promise((resolve) => setTimeout(resolve, 5));
    const drained = agent.drain({ graceMs: 30_000 });
    await newDirectEnqueueAccess(queue).enqueue(message('c2'));
    gate.resolve();
    expect(await drained).toBe('drained');
    expect((await queue.get('c1'))?.state).toBe('success');
    expect((await queue.get('c2'))?.state).toBe('ready');
    await lookup.close();
  });

  it('takes fewer of them while clients call and the machine is busy', async () => {
    const gate = Promise.withResolvers<void>();
    runner.does(async (call, signal) => {
      await gate.promise;
      return new FakeRunner('inner').finishes().tryCall(call, signal);
    });
    const { agent, lookup } = start({ cpu: async () => 1 });
    const clientCalls: Promise<void>[] = [];
    const calling = (async () => {
      for (let i = 0; i < 60; i += 1) {
        const model = { ...anOutboundCall().model, id: `client${i}`, type: 'sync' as const };
        const response = new CollectedResponse(1_000, invokeHead);
        clientCalls.push(agent.submit(await agent.getCall(fromModel(model, Buffer.alloc(0)), withWriter(response))));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    })();
    // It looks at the machine four times a second.
    await new Promise((resolve) => setTimeout(resolve, 300));
    await Promise.all(Array.from({ length: 12 }, (_, i) => newDirectEnqueueAccess(queue).enqueue(message(`c${i}`))));
    await calling;
    const asyncCalls = () => runner.offered.filter(({ model }) => model?.type === 'async').length;
    const beside = asyncCalls();
    // One function may have ten of the sixteen consumers.
    while (asyncCalls() < 10) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(beside).toBeLessThanOrEqual(8);
    gate.resolve();
    await Promise.all(clientCalls);
    await agent.close();
    await lookup.close();
  });

  it('takes no more calls after stopAsync, and serves other calls', async () => {
    runner.finishes();
    const { agent, lookup } = start();
    agent.stopAsync();
    await newDirectEnqueueAccess(queue).enqueue(message('c1'));
    expect(agent.fleetStatus()?.runners).toMatchObject([{ address: 'r' }]);
    await agent.close();
    expect([(await queue.get('c1'))?.state, runner.attempts]).toEqual(['ready', 0]);
    await lookup.close();
  });
});

it('everything that an agent does is done by the agent that it was made from', async () => {
  const done: string[] = [];
  const agent = new Proxy({ ready: Promise.resolve() } as LbAgent, {
    get: (target, name) =>
      name in target
        ? target[name as keyof LbAgent]
        : (...given: unknown[]) => {
            done.push(`${String(name)} ${given.length}`);
            return Promise.resolve(name === 'drain' ? 'drained' : undefined);
          },
  });
  const lookup = { byId: () => Promise.reject<CallTemplate>(new FnError('fnNotFound')) };
  const made = withAsync(agent, { sources: () => [] }, { lookup, consumers: 0, clock: new FakeClock() });
  await made.ready;
  await made.getCall();
  await made.submit({} as never);
  await made.foresee({} as never);
  made.addCallListener({});
  made.explain('c');
  made.fleetStatus();
  await made.askRunners(1);
  made.setCordoned('r', true);
  expect(await made.drain({ graceMs: 1 })).toBe('drained');
  await made.close();
  expect(done).toEqual([
    ...['getCall 0', 'submit 1', 'foresee 1', 'addCallListener 1', 'explain 1', 'fleetStatus 0', 'askRunners 1'],
    ...['setCordoned 2', 'drain 1', 'close 0'],
  ]);
});

it('a queue that is opened when it is needed is opened by the first call', async () => {
  let opened = 0;
  const queue = await openSqliteQueue({ path: ':memory:' });
  const open = async () => {
    opened += 1;
    return queue;
  };
  const [source] = newDirectDequeueAccess(open).sources();
  const { enqueue } = newDirectEnqueueAccess(open);
  expect(opened).toBe(0);
  await enqueue(message('c1'));
  const [delivery] = (await source?.reserve({ holder: 'me', limit: 1, leaseMs: 30_000 })) ?? [];
  expect([opened, delivery?.lease.callId]).toEqual([2, 'c1']);
  await queue.close();
});

it('without a queue each call is refused, and nothing is kept of it', async () => {
  const { enqueue } = newUnsupportedAsyncEnqueueAccess();
  await expect(enqueue(message('c1'))).rejects.toMatchObject({ code: 'asyncUnsupported', status: 400 });

  const lookup = { byId: async () => ({ fn: { id: 'fn1' } }) as CallTemplate, close: async () => undefined };
  const fleet = await TestFleet.start([new FakeRunner('r')], {
    lookup: { ...lookup, byTrigger: () => Promise.reject(new FnError('triggerNotFound')) },
  });
  const answer = await fleet.send('/invoke/fn1', { headers: { 'fn-invoke-type': 'async' }, body: 'cat' });
  expect(answer).toMatchObject({
    status: 400,
    body: '{"message":"Async functions are not supported on this server"}\n',
  });
  await fleet.close();
});

interface Later {
  readonly queue: MessageQueue;
  callLater(fnId: string, body: string, idempotencyKey?: string): Promise<string>;
  stop(): Promise<void>;
}
interface Example {
  start(options: { path: string; addresses: string[]; apiUrl: string }): Promise<Later>;
}

it('examples/embed-async: a program accepts calls and runs them', async () => {
  const { start }: Example = require(path.join(__dirname, '../../../../examples/embed-async/later.js'));
  const folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-embed-'));
  const api = await FakeApiNode.start(CONTENTS);
  const runner = await startScriptedRunner(async (engagement) => {
    const body = await engagement.wholeBody;
    engagement.send({ kind: 'resultStart', status: 200, headers: [] });
    engagement.send({ kind: 'data', data: Buffer.from(`${body} done`), eof: false });
    engagement.send({ kind: 'finished', report: reportOf(anOutboundCall()) });
    engagement.end();
  });
  const later = await start({ path: path.join(folder, 'later.db'), addresses: [runner.address], apiUrl: api.url });
  const id = await later.callLater('fn1', 'hello', 'once');
  expect(await later.callLater('fn1', 'hello', 'once')).toBe(id);
  expect((await untilEnded(later.queue, id)).state).toBe('success');
  expect(Buffer.from((await later.queue.result(id))?.body ?? []).toString()).toBe('hello done');
  await later.stop();
  await Promise.all([runner.close(), api.close()]);
  rmSync(folder, { recursive: true });
});

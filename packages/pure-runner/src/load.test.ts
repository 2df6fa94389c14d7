import { MIB } from '@fnfleet/core';
import { exitsAtStart, fn } from '@fnfleet/drivers';
import { decodeOrca, INSTANCE_ID_HEADER, LOAD_TRAILER, type LoadReport } from '@fnfleet/protocol';
import type { PlayedEngagement } from '@fnfleet/testing';
import { Held, reportOf, TestRunner, type TestRunnerOptions, tryOf } from './test-kit/test-runner.js';

const answers = fn((request, response) => request.resume().once('end', () => response.end('here')));

let runner: TestRunner;
const start = async (options: Pick<TestRunnerOptions, 'functions'> & Partial<TestRunnerOptions>) => {
  runner = await TestRunner.start(options);
};
afterEach(() => runner.close());

/** What came with the end of an engagement. */
async function loadOf(engagement: PlayedEngagement): Promise<LoadReport> {
  const { trailers } = await engagement.status;
  const [trailer] = trailers.get(LOAD_TRAILER);
  const [instanceId] = (await engagement.metadata).get(INSTANCE_ID_HEADER);
  const load = Buffer.isBuffer(trailer) && decodeOrca(trailer.toString('base64'), String(instanceId));
  if (!load) throw new Error('no load came with the end');
  return load;
}

describe('load', () => {
  const FULL = { memoryMb: 512, env: { FN_ENABLE_NB_RESOURCE_TRACKER: '1' } };

  it('is sent at the end of every attempt: reserved resources, running calls, free slots of this function', async () => {
    const held = new Held();
    await start({ functions: { held: fn(held.handler), echo: answers }, ...FULL });
    const running = runner.offer({ image: 'held', memoryMb: 128, cpuMillis: 500 });
    await held.untilCalled(1);
    const idle = await loadOf(runner.offer({ image: 'echo', fnId: 'other', memoryMb: 256 }));
    expect(idle).toEqual({
      instanceId: expect.stringMatching(/^[0-9a-f]{16}$/),
      memoryUsedBytes: 384 * MIB,
      memoryTotalBytes: 512 * MIB,
      memoryIdleBytes: 256 * MIB,
      cpuUsedMillis: 500,
      cpuTotalMillis: 4000,
      active: 2,
      waiting: 0,
      freeSlots: 1,
      draining: false,
      degraded: false,
      degradedReason: '',
    });

    held.release();
    const first = await loadOf(running);
    expect(first).toMatchObject({ instanceId: idle.instanceId, freeSlots: 1, memoryUsedBytes: 384 * MIB });
  });

  it('is also sent with a refusal', async () => {
    const held = new Held();
    await start({ functions: { held: fn(held.handler), echo: answers }, ...FULL });
    const running = runner.offer({ image: 'held', memoryMb: 512 });
    await held.untilCalled(1);
    const refused = runner.offer({ image: 'echo', memoryMb: 512 });
    expect(await loadOf(refused)).toMatchObject({ memoryUsedBytes: 512 * MIB, freeSlots: 0, active: 2 });
    expect(reportOf(refused.received).errorCode).toBe(503);
    held.release();
    await running.status;
  });

  it('has no free slots if the call could not be decoded', async () => {
    await start({ functions: { echo: answers } });
    const engagement = runner.balancer.engage();
    engagement.send({ kind: 'try', callJson: '{', slotHash: '', extensions: {} });
    expect((await loadOf(engagement)).freeSlots).toBeUndefined();
  });

  it('is also in Status: waiting calls and the instance id', async () => {
    const held = new Held();
    await start({ functions: { held: fn(held.handler), echo: answers }, memoryMb: 256 });
    const running = runner.offer({ image: 'held', memoryMb: 256 });
    await held.untilCalled(1);
    const queued = runner.offer({ image: 'echo', memoryMb: 256 });
    const { load } = await statusOnce(({ load: { waiting } }) => waiting === 1);
    expect(load).toMatchObject({ memoryUsedBytes: 256 * MIB, memoryTotalBytes: 256 * MIB, cpuTotalMillis: 4000 });
    held.release();
    expect((await loadOf(running)).instanceId).toBe(load.instanceId);
    await queued.status;
    expect((await status()).load).toMatchObject({ waiting: 0, draining: false });
  });

  it('reports that no containers can be created, and the reason in Status', async () => {
    await start({ functions: { echo: answers } });
    await runner.run({ image: 'echo' });
    runner.driver.health.degrade('the engine does not answer');
    const hot = runner.offer({ image: 'echo' });
    expect(await loadOf(hot)).toMatchObject({ degraded: true });
    expect(reportOf(hot.received)).toMatchObject({ success: true, errorText: '' });
    const reason = 'the engine does not answer';
    expect(await status()).toMatchObject({ load: { degraded: true, degradedReason: reason } });
    runner.driver.health.recover();
    expect(await status()).toMatchObject({ load: { degraded: false, degradedReason: '' } });
  });

  it('two runners have different instanceIds', async () => {
    await start({ functions: {} });
    const { instanceId } = (await status()).load;
    await runner.close();
    await start({ functions: {} });
    expect((await status()).load.instanceId).not.toBe(instanceId);
  });
});

describe('draining', () => {
  it('protocol 47: is announced in status and load, refused in the protocol, and the port closes last', async () => {
    const held = new Held();
    await start({ functions: { held: fn(held.handler), echo: answers } });
    const running = runner.offer({ image: 'held' });
    await held.untilCalled(1);
    const draining = runner.runner.drain({ graceMs: 60_000 });

    expect(await status()).toMatchObject({ active: 1, load: { draining: true } });
    const refused = runner.offer({ image: 'echo', fnId: 'late' });
    expect(await loadOf(refused)).toMatchObject({ draining: true });
    expect(reportOf(refused.received)).toMatchObject({ errorCode: 503, errorText: 'Timed out - server too busy' });

    held.release();
    expect(await loadOf(running)).toMatchObject({ draining: true });
    expect(reportOf(running.received).success).toBe(true);
    expect(await draining).toBe('drained');
    await expect(status()).rejects.toMatchObject({ code: 14 });
  });

  it('the status image is not run any more: the status reports that the runner takes no calls', async () => {
    const held = new Held();
    await start({ functions: { held: fn(held.handler), checker: answers }, statusImage: 'checker' });
    const running = runner.offer({ image: 'held' });
    await held.untilCalled(1);
    const draining = runner.runner.drain({ graceMs: 60_000 });
    expect(await status()).toMatchObject({ failed: true, errorCode: 503, load: { draining: true } });
    held.release();
    await Promise.all([running.status, draining]);
  });
});

describe('counters', () => {
  it('protocol 101: every engagement counts, however it ends', async () => {
    const held = new Held();
    const env = { FN_ENABLE_NB_RESOURCE_TRACKER: '1' };
    await start({
      functions: { held: fn(held.handler), echo: answers, broken: exitsAtStart(1) },
      memoryMb: 256,
      env,
      detached: true,
    });
    const running = runner.offer({ image: 'held', memoryMb: 128 });
    await held.untilCalled(1);
    const detached = runner.offer({ image: 'held', fnId: 'detached', memoryMb: 128, type: 'detached' });
    await held.untilCalled(2);
    expect(await status()).toMatchObject({ active: 2, requestsReceived: 2, requestsHandled: 0, failed: false });

    await runner.run({ image: 'echo', fnId: 'refused', memoryMb: 128 });
    const violation = runner.balancer.engage();
    violation.halfClose();
    await violation.status;
    const reset = runner.balancer.engage();
    reset.send(tryOf({ image: 'held', memoryMb: 128 }));
    await statusOnce(({ active }) => active === 3);
    reset.cancel();
    await statusOnce(({ active }) => active === 2);
    expect(await status()).toMatchObject({ active: 2, requestsReceived: 5, requestsHandled: 3 });

    held.release();
    await Promise.all([running.status, detached.status]);
    await runner.run({ image: 'broken', fnId: 'broken', memoryMb: 128 });
    expect(await status()).toMatchObject({ active: 0, requestsReceived: 6, requestsHandled: 6 });
  });
});

describe('detached', () => {
  it('agent-and-docker 86: a container that does not start is an error, not a 202', async () => {
    await start({ functions: { broken: exitsAtStart(1) }, detached: true });
    const { kinds, messages } = await runner.run({ image: 'broken', type: 'detached' });
    expect(kinds).toEqual(['finished']);
    expect(reportOf(messages)).toMatchObject({ errorCode: 502, errorUser: true, startedAt: undefined });
  });

  it('agent-and-docker 86: a queued call is not accepted: no 202 before there is a container', async () => {
    const held = new Held();
    await start({ functions: { held: fn(held.handler), echo: answers }, memoryMb: 256, detached: true });
    const running = runner.offer({ image: 'held', memoryMb: 256 });
    await held.untilCalled(1);
    const detached = runner.offer({ image: 'echo', fnId: 'queued', memoryMb: 256, type: 'detached' });
    await statusOnce(({ load: { waiting } }) => waiting === 1);
    expect(detached.received).toEqual([]);
    held.release();
    await running.status;
    expect(await detached.message(0)).toEqual({ kind: 'resultStart', status: 202, headers: [] });
    await detached.status;
  });

  it('two calls that happen to have the same id are both acknowledged', async () => {
    const held = new Held();
    await start({ functions: { held: fn(held.handler) }, detached: true });
    const calls = [1, 2].map(() => runner.offer({ image: 'held', id: '01D1ZVPBKV180G40RZJ000000X', type: 'detached' }));
    await held.untilCalled(2);
    for (const call of calls) expect(await call.message(0)).toMatchObject({ kind: 'resultStart', status: 202 });
    held.release();
    for (const call of calls) {
      await call.status;
      expect(reportOf(call.received).success).toBe(true);
    }
  });

  it('protocol 81: the call ends with its balancer', async () => {
    const held = new Held();
    await start({ functions: { held: fn(held.handler) }, detached: true });
    const detached = runner.offer({ image: 'held', type: 'detached' });
    await detached.message(0);
    await held.untilCalled(1);
    runner.balancer.close();
    detached.cancel();
    while (held.aborted === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  });
});

interface StatusAnswer {
  readonly active: number;
  readonly load: { readonly instanceId: string; readonly waiting: number; readonly draining: boolean };
}

async function status(): Promise<StatusAnswer> {
  return (await runner.balancer.unary('Status')) as unknown as StatusAnswer;
}

async function statusOnce(isIt: (answer: StatusAnswer) => boolean): Promise<StatusAnswer> {
  for (;;) {
    const answer = await status();
    if (isIt(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

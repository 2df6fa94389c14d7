import type { AgentCall } from '@fnfleet/agent';
import { CancelledError, completeBody, encodeCall, FnError, NO_TRACE, systemClock } from '@fnfleet/core';
import type { CallIo } from '@fnfleet/protocol';
import { aCall, RecordingWriter } from '@fnfleet/testing';
import { DetachedAcks } from './detached-acks.js';
import { type EngagementDeps, engagementRunner } from './engagement-runner.js';

const detached = { model: { type: 'detached' } } as AgentCall;

/** An agent that does this with each call, once the call has been built. */
function running(
  submit: (call: AgentCall, acks: DetachedAcks) => Promise<void>,
  type: 'detached' | 'sync' = 'detached',
) {
  const acks = new DetachedAcks();
  const response = new RecordingWriter();
  const call = { model: aCall({ type }), slotKey: '', timings: {} } as unknown as AgentCall;
  const run = engagementRunner({
    agent: { getCall: async () => call, submit: (one: AgentCall) => submit(one, acks) },
    clock: systemClock,
    logger: { warn: () => undefined },
    load: { draining: false, report: () => ({}) },
    detachedAcks: acks,
  } as unknown as EngagementDeps);
  const io: CallIo = {
    body: completeBody(Buffer.alloc(0)),
    response,
    signal: new AbortController().signal,
    deadlineAt: undefined,
    trace: NO_TRACE,
    beforeStart: undefined,
  };
  const offer = { kind: 'try', callJson: encodeCall(aCall({ type })), slotHash: '', extensions: {} } as const;
  return { acks, response, end: run(offer, io) };
}

it.each<[string, (call: AgentCall, acks: DetachedAcks) => Promise<void>, number | undefined]>([
  ['ends well', async (call, acks) => acks.beforeCall(call), 202],
  [
    'fails after it has begun',
    async (call, acks) => {
      acks.beforeCall(call);
      throw new FnError('functionFailed');
    },
    202,
  ],
  ['fails before it has begun', () => fails(new FnError('containerInitFailed')), undefined],
  ['is refused', () => fails(new FnError('serverBusy')), undefined],
  ['is cancelled', () => fails(new CancelledError()), undefined],
])('a detached call that %s leaves no entry', async (_, submit, status) => {
  const { acks, response, end } = running(submit);
  await end;
  expect([acks.size, response.status]).toEqual([0, status]);
});

it('is known while it runs, and acknowledged when it begins', async () => {
  const began = Promise.withResolvers<void>();
  const ends = Promise.withResolvers<void>();
  const { acks, response, end } = running(async (call, all) => {
    began.resolve();
    expect(response.status).toBeUndefined();
    all.beforeCall(call);
    await ends.promise;
  });
  await began.promise;
  expect([acks.size, response.status]).toEqual([1, 202]);
  ends.resolve();
  await end;
  expect(acks.size).toBe(0);
});

it('an ordinary call is none of its business', async () => {
  const { acks, response, end } = running(async (call, all) => all.beforeCall(call), 'sync');
  await end;
  expect([acks.size, response.status]).toEqual([0, undefined]);
});

it('one that has ended already cannot be acknowledged', () => {
  const acks = new DetachedAcks();
  const forget = acks.expect(detached, () => undefined);
  forget();
  expect(() => acks.beforeCall(detached)).toThrow(new FnError('callHandleNotFound').message);
});

async function fails(error: Error): Promise<never> {
  throw error;
}

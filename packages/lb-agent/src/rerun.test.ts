import { FakeClock, IDEMPOTENT_ANNOTATION } from '@fnfleet/core';
import { newStaticRunnerPool } from '@fnfleet/discovery';
import { type FakeAttempt, FakeRunner } from '@fnfleet/placement';
import { aCall, RecordingWriter } from '@fnfleet/testing';
import { fromModel, withWriter } from './call/call-options.js';
import { newLbAgent } from './new-lb-agent.js';

/** What becomes of a call whose runner dies after `started`; BalancerSession does the same. */
const dies: FakeAttempt = async (call) => {
  const error = new Error('gRPC status 14: stream reset');
  if (!call.mayRunAgain) return { kind: 'failed', blame: 'runner', error };
  call.runsAgain?.();
  return { kind: 'refused', reason: 'lost', error };
};

const dying = () => new FakeRunner('dying').does(dies);
const sound = () => new FakeRunner('sound').finishes({ body: 'answer' });

/** Offers a call to the runners in turn. @returns how often it was offered, and what it ended with */
async function submit(annotations: Record<string, unknown>, ...runners: FakeRunner[]) {
  const unused = [...runners];
  const pool = newStaticRunnerPool(['a', 'b', 'c', 'd'].slice(0, runners.length), () => unused.shift() ?? sound());
  const agent = newLbAgent(pool, { order: (_call, { candidates }) => candidates }, { clock: new FakeClock() });
  const writer = new RecordingWriter();
  const call = await agent.getCall(fromModel(aCall({ annotations }), Buffer.from('body')), withWriter(writer));
  const error = await agent.submit(call).then(
    () => undefined,
    (reason: Error) => reason.message,
  );
  await agent.close();
  const attempts = runners.reduce((sum, runner) => sum + runner.attempts, 0);
  return { attempts, error, answer: writer.body.toString() };
}

const LOST = 'gRPC status 14: stream reset';
const idempotent = { [IDEMPOTENT_ANNOTATION]: true };

describe('a call whose runner dies after it has started', () => {
  it('fails', async () => {
    expect(await submit({}, dying(), sound())).toMatchObject({ attempts: 1, error: LOST });
  });

  it('runs again when its function is idempotent', async () => {
    expect(await submit(idempotent, dying(), sound())).toEqual({ attempts: 2, answer: 'answer' });
  });

  it('runs again at most twice, because such a call may be what crashes its runners', async () => {
    const end = await submit(idempotent, dying(), dying(), dying(), sound());
    expect(end).toMatchObject({ attempts: 3, error: LOST });
  });
});

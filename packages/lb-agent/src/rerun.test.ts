import { FakeClock, IDEMPOTENT_ANNOTATION } from '@fnfleet/core';
import { type FakeAttempt, FakeRunner, newStaticRunnerPool } from '@fnfleet/placement';
import { aCall, RecordingWriter } from '@fnfleet/testing';
import { fromModel, withWriter } from './call-options.js';
import { newLBAgent } from './lb-agent.js';

/** What becomes of a call whose runner dies after `started`; BalancerSession does the same. */
const dies: FakeAttempt = async (call) => {
  const error = new Error('gRPC status 14: stream reset');
  if (!call.mayRunAgain) return { kind: 'failed', error };
  call.runsAgain?.();
  return { kind: 'refused', reason: 'lost', error };
};

/** @returns how often the call was offered, and what it ended with */
async function submit(annotations: Record<string, unknown>, runner: FakeRunner) {
  const pool = newStaticRunnerPool(['a', 'b', 'c', 'd'], () => runner);
  const agent = newLBAgent(pool, { order: (_call, all) => all }, { clock: new FakeClock() });
  const writer = new RecordingWriter();
  const call = await agent.getCall(fromModel(aCall({ annotations }), Buffer.from('body')), withWriter(writer));
  const error = await agent.submit(call).then(
    () => undefined,
    (reason: Error) => reason.message,
  );
  await agent.close();
  return { attempts: runner.attempts, error, answer: writer.body.toString() };
}

describe('a call whose runner dies after it has started', () => {
  it('fails', async () => {
    const runner = new FakeRunner('r').does(dies).finishes({ body: 'second' });
    expect(await submit({}, runner)).toMatchObject({ attempts: 1, error: 'gRPC status 14: stream reset' });
  });

  it('runs again when its function is idempotent', async () => {
    const runner = new FakeRunner('r').does(dies).finishes({ body: 'second' });
    expect(await submit({ [IDEMPOTENT_ANNOTATION]: true }, runner)).toEqual({ attempts: 2, answer: 'second' });
  });

  it('twice at most: what is lost so often may be what its runners die of', async () => {
    const runner = new FakeRunner('r').does(dies);
    const end = await submit({ [IDEMPOTENT_ANNOTATION]: true }, runner);
    expect(end).toMatchObject({ attempts: 3, error: 'gRPC status 14: stream reset' });
  });
});

// takes: 6 s
import { exitsAtStart, fn, type ScriptedFunction } from '@fnfleet/drivers';
import type { ClientMessage, RunnerMessage } from '@fnfleet/protocol';
import { balancerMessages, loadRecording, recordingNames, runnerMessages } from '@fnfleet/testing';
import { answerOf, reportOf, TestRunner } from './test-kit/test-runner.js';

/**
 * Our runner against the Go balancer: what that balancer sent is played byte for byte, with a function that behaves as the
 * recorded one did, and what comes back is compared with what the Go runner sent. Ids, dates, durations, the order of
 * headers and the split into frames may differ; the order of kinds, codes, texts and flags may not. One flag is a departure:
 * an invalid request of a caller is reported as an error of the user, which Fn does not do (docs/compatibility.md).
 */
const names = recordingNames().filter((name) => loadRecording(name).engagements.length > 0);

/** Answers as the recorded function did: the same head and body. */
function answering(recorded: readonly RunnerMessage[]): ScriptedFunction {
  const head = recorded.find((message) => message.kind === 'resultStart');
  const headers = head?.kind === 'resultStart' ? head.headers : [];
  return fn((request, response) => {
    request.resume().once('end', () => {
      for (const [name, value] of headers) response.appendHeader(name, value);
      response.end(answerOf(recorded));
    });
  });
}

const hanging = fn((request) => request.resume());

/** What the recorded function did, where it was not an answer. */
const BEHAVIOUR: Readonly<Record<string, ScriptedFunction>> = {
  'function-crash': fn((request) => request.socket.destroy()),
  'function-timeout': hanging,
  'client-cancel': hanging,
  'init-exit': exitsAtStart(0),
};

let runner: TestRunner;
afterEach(() => runner.close());

it.each(names)('recording %s, played into our runner', async (name) => {
  const [events = []] = loadRecording(name).engagements;
  const sent = balancerMessages(events);
  const recorded = runnerMessages(events).map(({ message }) => message);
  const behaviour = BEHAVIOUR[name] ?? answering(recorded);
  // The recorded runner had just under 300 MB.
  runner = await TestRunner.start({ functions: { [imageOf(sent[0]?.message)]: behaviour }, memoryMb: 290 });

  const engagement = runner.balancer.engage();
  for (const { bytes } of sent) engagement.sendBytes(bytes);
  if (events.some(({ kind }) => kind === 'cancel')) {
    engagement.cancel();
    await engagement.status;
    expect(engagement.received).toEqual([]);
    return;
  }

  expect((await engagement.status).code).toBe(events.find(({ kind }) => kind === 'status')?.code);
  expect(kindsOf(engagement.received)).toEqual(kindsOf(recorded));
  expect(answerOf(engagement.received).equals(answerOf(recorded))).toBe(true);
  const [ours, theirs] = [reportOf(engagement.received), reportOf(recorded)];
  const { success, errorCode, errorText, errorUser, callId, image } = theirs;
  const usersFault = errorUser || errorCode === 400 || errorCode === 501;
  expect(ours).toMatchObject({ success, errorCode, errorText, errorUser: usersFault, callId, image });
  for (const instant of ['createdAt', 'startedAt', 'completedAt'] as const) {
    expect([instant, ours[instant] === undefined]).toEqual([instant, theirs[instant] === undefined]);
  }
  expect(headOf(engagement.received)).toEqual(headOf(recorded));
});

it('recording capacity-nack: a refusal matches the recorded one', async () => {
  const refusals = loadRecording('capacity-nack')
    .engagements.map((events) => runnerMessages(events).map(({ message }) => message))
    .filter((messages) => messages.length === 1);
  expect(refusals.length).toBeGreaterThan(0);
  const [events = []] = loadRecording('capacity-nack').engagements;
  const image = imageOf(balancerMessages(events)[0]?.message);
  runner = await TestRunner.start({
    functions: { [image]: hanging },
    memoryMb: 64,
    env: { FN_ENABLE_NB_RESOURCE_TRACKER: '1' },
  });
  const play = () => {
    const engagement = runner.balancer.engage();
    for (const { bytes } of balancerMessages(events)) engagement.sendBytes(bytes);
    return engagement;
  };
  const running = play();
  while (runner.driver.counters.live === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  const refused = play();
  expect((await refused.status).code).toBe(0);
  for (const recorded of refusals) {
    const { success, errorCode, errorText, errorUser, startedAt, completedAt, schedulerNs, executionNs } =
      reportOf(recorded);
    expect(reportOf(refused.received)).toMatchObject({
      success,
      errorCode,
      errorText,
      errorUser,
      startedAt,
      completedAt,
      schedulerNs,
      executionNs,
    });
  }
  running.cancel();
  await running.status;
});

function imageOf(message: ClientMessage | undefined): string {
  if (message?.kind !== 'try') throw new Error('the recording does not start with try');
  return JSON.parse(message.callJson).image;
}

/** The order of kinds, with neighbouring frames as one. */
function kindsOf(messages: readonly RunnerMessage[]): string[] {
  return messages.map(({ kind }) => kind).filter((kind, index, all) => kind !== 'data' || all[index - 1] !== 'data');
}

function headOf(messages: readonly RunnerMessage[]) {
  const head = messages.find((message) => message.kind === 'resultStart');
  if (head?.kind !== 'resultStart') return undefined;
  // Node's server adds headers of its own to an answer of unknown length; the recorded function did not.
  const own = head.headers.filter(
    ([name]) => !['Date', 'Connection', 'Transfer-Encoding', 'Content-Length'].includes(name),
  );
  return { status: head.status, headers: own.map(([name, value]) => `${name}: ${value}`).sort() };
}

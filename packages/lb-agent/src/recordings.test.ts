import { decodeCall } from '@fnfleet/core';
import { newGrpcRunner } from '@fnfleet/placement';
import type { TryMessage } from '@fnfleet/protocol';
import {
  balancerMessages,
  loadRecording,
  type Recording,
  recordingNames,
  runnerMessages,
  type ScriptedEngagement,
  type ScriptedRunner,
  startScriptedRunner,
  TEST_LINK,
} from '@fnfleet/testing';
import type { ApiContents } from './test-kit/fake-api-node.js';
import { TestFleet } from './test-kit/test-fleet.js';

/**
 * Our balancer against the Go runner: the recorded request is sent to our HTTP port, what that runner sent is played from
 * a scripted runner, and the answer is compared with the recorded one. So is the call that our balancer offered.
 */
const single = recordingNames().filter((name) => loadRecording(name).request.concurrent === 1);
const placed = single.filter((name) => loadRecording(name).engagements.length > 0 && name !== 'client-cancel');

let runner: ScriptedRunner;
let fleet: TestFleet;
afterEach(async () => {
  await fleet.close();
  await runner.close();
});

async function start(recording: Recording, script: (engagement: ScriptedEngagement) => void | Promise<void>) {
  runner = await startScriptedRunner(script);
  fleet = await TestFleet.start([], {
    contents: contentsOf(recording),
    env: { FN_RUNNER_ADDRESSES: runner.address },
    pool: undefined, // the one that the environment describes, over gRPC
    createRunner: (address) => newGrpcRunner(address, TEST_LINK),
  });
}

it.each(placed)('recording %s, answered through our balancer', async (name) => {
  const recording = loadRecording(name);
  const [events = []] = recording.engagements;
  await start(recording, async (engagement) => {
    await engagement.wholeBody;
    for (const { bytes } of runnerMessages(events)) engagement.sendBytes(bytes);
    engagement.end();
  });
  const answer = await sendRecorded(recording);
  const [expected] = recording.responses;
  expect(answer.status).toBe(expected?.status);
  for (const [header, value] of expected?.headers ?? []) {
    // A long answer of unknown length is streamed, not held back to be counted: docs/compatibility.md.
    if (header === 'Content-Length' && answer.headers['transfer-encoding'] === 'chunked') {
      expect(expected?.body_bytes).toBeGreaterThan(16 * 1024);
    } else if (header === 'Fn-Call-Id') expect(answer.headers['fn-call-id']).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
    else expect([header, answer.headers[header.toLowerCase()]]).toEqual([header, value]);
  }
  expect(Buffer.byteLength(answer.body)).toBe(expected?.body_bytes);
  expect(answer.body.slice(0, 1900)).toBe(expected?.body?.slice(0, 1900));

  const [engagement] = runner.engagements;
  expect(runner.engagements).toHaveLength(1);
  expect(offered(engagement)).toEqual(offeredInRecording(recording));
  expect((await engagement?.wholeBody)?.toString()).toBe(requestBody(recording).toString());
  const deadline = engagement?.deadlineAt === Number.POSITIVE_INFINITY ? 'none' : 'set';
  expect(deadline).toBe(name === 'detached' ? 'set' : 'none');
});

it('recording client-cancel: the stream is reset when the client disconnects', async () => {
  const recording = loadRecording('client-cancel');
  await start(recording, () => undefined);
  const client = new AbortController();
  const answer = sendRecorded(recording, client.signal);
  while (runner.engagements.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  client.abort();
  await expect(answer).rejects.toThrow();
  await runner.engagements[0]?.cancelled;
});

it('recording capacity-nack: refused calls are offered again until all ten have been answered', async () => {
  const recording = loadRecording('capacity-nack');
  const ended = runnerMessages(recording.engagements[0] ?? []);
  const [refusal] = recording.engagements.map(runnerMessages).filter((messages) => messages.length === 1);
  let running = 0;
  await start(recording, async (engagement) => {
    if (running === 4) {
      for (const { bytes } of refusal ?? []) engagement.sendBytes(bytes);
      return engagement.end();
    }
    running += 1;
    await engagement.wholeBody;
    await new Promise((resolve) => setTimeout(resolve, 40)); // a tenth of the recorded time
    running -= 1;
    for (const { bytes } of ended) engagement.sendBytes(bytes);
    engagement.end();
  });
  const answers = await Promise.all(
    Array.from({ length: recording.request.concurrent }, () => sendRecorded(recording)),
  );
  expect(answers.map(({ status }) => status)).toEqual(recording.responses.map(({ status }) => status));
  for (const engagement of runner.engagements) {
    if (engagement.received.length > 1) expect((await engagement.wholeBody).toString()).toBe(recording.request.body);
  }
});

it('recording method-get-invoke', async () => {
  const recording = loadRecording('method-get-invoke');
  await start(recording, () => undefined);
  const answer = await sendRecorded(recording);
  expect(answer).toMatchObject({ status: 405, body: recording.responses[0]?.body });
});

// The original answers 500 "internal server error" here; docs/compatibility.md says why we do not.
it.each([
  ['unknown-function', 'Fn not found'],
  ['unknown-trigger', 'App not found'],
])('recording %s is a 404 here', async (name, message) => {
  const recording = loadRecording(name);
  await start(recording, () => undefined);
  const answer = await sendRecorded(recording);
  expect(answer).toMatchObject({ status: 404, body: `{"message":"${message}"}\n` });
});

it('a runner that ends without a result for the call is a 500, and the call is not retried', async () => {
  await start(loadRecording('warm-echo'), async (engagement) => {
    await engagement.wholeBody;
    engagement.end();
  });
  expect((await sendRecorded(loadRecording('warm-echo'))).status).toBe(500);
  expect(runner.engagements).toHaveLength(1);
});

function sendRecorded(recording: Recording, signal?: AbortSignal) {
  const { method, path, headers } = recording.request;
  const body = requestBody(recording);
  return fleet.send(path, {
    method,
    headers: { ...headers, 'accept-encoding': 'identity' },
    body: body.length > 0 ? body : undefined,
    signal,
  });
}

/** The recording keeps only the start of a long body; the frames have all of it. */
function requestBody(recording: Recording): Buffer {
  const [events = []] = recording.engagements;
  const frames = balancerMessages(events).flatMap(({ message }) => (message.kind === 'data' ? [message.data] : []));
  return frames.length > 0 ? Buffer.concat(frames) : Buffer.from(recording.request.body);
}

/** What a balancer offered, without what differs by nature: ids, dates, the host that was asked. */
function offered(engagement: ScriptedEngagement | undefined) {
  return comparable(engagement?.received.find((message) => message.kind === 'try'));
}

function offeredInRecording(recording: Recording) {
  const [events = []] = recording.engagements;
  return comparable(
    balancerMessages(events)
      .map(({ message }) => message)
      .find((message) => message.kind === 'try'),
  );
}

function comparable(offer: TryMessage | undefined) {
  if (offer === undefined) throw new Error('no try was sent');
  const { id, createdAt, startedAt, url, headers, ...rest } = decodeCall(offer.callJson);
  const { 'Fn-Http-Request-Url': requestUrl, 'Content-Length': _length, ...others } = headers;
  const path = (text: string) => text.replace(/^http:\/\/[^/]+/, '');
  const own = Object.entries(others).filter(([name]) => !OF_THE_CLIENT.has(name));
  return {
    ...rest,
    slotHash: offer.slotHash,
    url: path(url),
    requestUrl: requestUrl?.map(path),
    headers: Object.fromEntries(own),
  };
}

/** Headers that the client library of this test adds or leaves out, unlike the one that was recorded. */
const OF_THE_CLIENT = new Set(['Connection', 'Host', 'Fn-Http-H-Content-Length']);

/** An api node that knows the function of the recording. */
function contentsOf(recording: Recording): ApiContents {
  const [events = []] = recording.engagements;
  const offer = balancerMessages(events)[0]?.message;
  if (offer?.kind !== 'try') return {};
  const call = decodeCall(offer.callJson);
  const forced = ['FN_APP_ID', 'FN_FN_ID', 'FN_MEMORY', 'FN_TYPE'];
  const config = Object.fromEntries(Object.entries(call.config).filter(([key]) => !forced.includes(key)));
  return {
    apps: [{ id: call.appId, name: call.appName, config }],
    fns: [
      {
        id: call.fnId,
        name: 'recorded',
        app_id: call.appId,
        image: call.image,
        memory: call.memoryMb,
        timeout: call.timeoutSeconds,
        idle_timeout: call.idleTimeoutSeconds,
        annotations: call.annotations,
      },
    ],
    triggers: [{ id: call.triggerId, name: 't', app_id: call.appId, fn_id: call.fnId, type: 'http', source: '/hello' }],
  };
}

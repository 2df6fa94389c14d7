import { FakeClock, FnError } from '@fnfleet/core';
import { AccessGuard } from '@fnfleet/http';
import type { Explanation } from '@fnfleet/operator-api';
import { FakeRunner, reportOf } from '@fnfleet/placement';
import { TestFleet } from '../test-kit/test-fleet.js';

let fleet: TestFleet;
afterEach(() => fleet.close());

const refusing = (address: string) =>
  new FakeRunner(address).does(async () => ({ kind: 'refused', reason: 'busy', error: new FnError('serverBusy') }));

/** Takes the call, says that it starts, and tells where its time went. */
const telling = (address: string) =>
  new FakeRunner(address).does(async (call) => {
    call.started?.();
    call.response.writeHead(200, []);
    const report = reportOf(call, { schedulerNs: 250e6, containerCreateNs: 150e6, executionNs: 9e6 });
    call.reported?.(report);
    call.addExecution(report.executionNs);
    return { kind: 'finished', report };
  });

const explain = async (callId: string) => {
  const { status, body } = await fleet.send(`/explain/${callId}`, { method: 'GET' });
  return { status, story: JSON.parse(body) as Explanation };
};

it('explains an ended call: the runners tried, their answers, and where its time went', async () => {
  fleet = await TestFleet.start([refusing('r1'), telling('r2')]);
  const { headers } = await fleet.send('/invoke/fn1');
  const callId = String(headers['fn-call-id']);

  const { status, story } = await explain(callId);
  expect(status).toBe(200);
  expect(story).toMatchObject({ call_id: callId, fn_id: 'fn1', app_id: 'app1', state: 'answered', omitted: 0 });
  expect(story.events.map(({ event, runner, text }) => [event, runner, text])).toEqual([
    ['offered', 'r1', undefined],
    ['said', 'r1', 'refused: busy'],
    ['offered', 'r2', undefined],
    ['said', 'r2', 'started'],
    ['said', 'r2', 'finished'],
  ]);
  expect(story.on_runner).toMatchObject({ waited_ms: 250, container_create_ms: 150, image_pull_ms: 0, executed_ms: 9 });
  const times = story.events.map(({ at_ms }) => at_ms);
  expect(times).toEqual([...times].sort((a, b) => a - b));
  expect(story.ended_at_ms).toBeGreaterThanOrEqual(times.at(-1) ?? 0);
});

it('a client that asks for it gets the short form with the response, including skipped runners', async () => {
  // r1 is known to be full for some 10 ms after the first call: time stands still.
  fleet = await TestFleet.start([refusing('r1'), telling('r2')], { clock: new FakeClock() });
  await fleet.send('/invoke/fn1');
  const { headers } = await fleet.send('/invoke/fn1', { headers: { 'fn-explain': '1' } });
  expect(headers['fn-explain']).toMatch(
    /^runner=r2; attempts=1; executed=9\.0ms; waited=250\.0ms; create=150\.0ms; asked=r1 skipped \(full when last asked, for another \d+ ms\), r2 started/,
  );
});

describe('with an operator token configured', () => {
  const TOKEN = 'sesame-0123';
  const start = async (...runners: FakeRunner[]) => {
    fleet = await TestFleet.start(runners, { guard: new AccessGuard({ operatorToken: TOKEN }) });
  };

  it('a caller sees attempts and times, but neither addresses nor messages of runners', async () => {
    await start(refusing('10.1.2.3:9190'), telling('10.1.2.4:9190'));
    const { status, headers } = await fleet.send('/invoke/fn1', { headers: { 'fn-explain': '1' } });
    expect(status).toBe(200);
    expect(headers['fn-explain']).toBe('attempts=2; executed=9.0ms; waited=250.0ms; create=150.0ms');
    expect((await fleet.send(`/explain/${headers['fn-call-id']}`, { method: 'GET' })).status).toBe(401);
  });

  it('a caller whose call fails sees no more than that', async () => {
    await start(
      new FakeRunner('10.1.2.3:9190').fails(new FnError('imagePullFailed', { params: { image: 'i', reason: 'r' } })),
    );
    const { headers } = await fleet.send('/invoke/fn1', { headers: { 'fn-explain': '1' } });
    expect(headers['fn-explain'] ?? '').not.toMatch(/10\.1\.2\.3|runner|asked/);
  });

  it('an operator sees everything, and the token does not reach the function', async () => {
    const runner = telling('10.1.2.4:9190');
    await start(runner);
    const asked = { 'fn-explain': '1', authorization: `Bearer ${TOKEN}`, 'x-other': 'kept' };
    for (const path of ['/invoke/fn1', '/t/shop/hot']) {
      const { headers } = await fleet.send(path, { headers: asked });
      expect(headers['fn-explain']).toMatch(/^runner=10\.1\.2\.4:9190; .*asked=10\.1\.2\.4:9190 started/);
    }
    const [direct, triggered] = runner.offered.map(({ model }) => model.headers);
    expect(direct).toMatchObject({ 'X-Other': ['kept'] });
    expect(triggered).toMatchObject({ 'Fn-Http-H-X-Other': ['kept'] });
    expect(JSON.stringify([direct, triggered])).not.toMatch(new RegExp(`Authorization|${TOKEN}`));
  });

  it('a bearer token that a caller sends to a function reaches the function', async () => {
    const runner = telling('r1');
    await start(runner);
    await fleet.send('/invoke/fn1', { headers: { authorization: 'Bearer of-the-function' } });
    expect(runner.offered[0]?.model.headers).toMatchObject({ Authorization: ['Bearer of-the-function'] });
  });
});

it('explains a call in flight, and one that failed', async () => {
  let reached: () => void = () => undefined;
  const taken = new Promise<void>((resolve) => {
    reached = resolve;
  });
  let fail: () => void = () => undefined;
  const runner = new FakeRunner('r1').does(
    (call) =>
      new Promise((resolve) => {
        fail = () => resolve({ kind: 'failed', blame: 'function', error: new FnError('callTimeout') });
        call.started?.();
        reached();
      }),
  );
  fleet = await TestFleet.start([runner]);
  const answer = fleet.send('/invoke/fn1');
  await taken;
  const callId = runner.offered[0]?.model.id ?? '';
  expect((await explain(callId)).story).toMatchObject({ state: 'under way', events: [{ event: 'offered' }, {}] });
  fail();
  await answer;
  expect((await explain(callId)).story).toMatchObject({ state: 'failed', error: 'Timed out' });
});

it('remembers a limited number of calls, and reports that others are unknown', async () => {
  fleet = await TestFleet.start([telling('r1')], { env: { FN_EXPLAIN_CALLS: '2' } });
  const ids: string[] = [];
  for (let i = 0; i < 3; i += 1) ids.push(String((await fleet.send('/invoke/fn1')).headers['fn-call-id']));
  const statuses = await Promise.all(ids.map(async (id) => (await explain(id)).status));
  expect(statuses).toEqual([404, 200, 200]);
  expect((await explain('unknown')).story).toMatchObject({ message: 'This balancer has no record of the call' });
});

it('remembers nothing if turned off; a client that asks still gets the short form', async () => {
  fleet = await TestFleet.start([telling('r1')], { env: { FN_EXPLAIN_CALLS: '0' } });
  const { headers } = await fleet.send('/invoke/fn1', { headers: { 'fn-explain': '1' } });
  expect(headers['fn-explain']).toContain('waited=250.0ms');
  expect((await explain(String(headers['fn-call-id']))).status).toBe(404);
});

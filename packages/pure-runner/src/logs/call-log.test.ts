import { fn } from '@fnfleet/drivers';
import { Held, reportOf, TestRunner } from '../test-kit/test-runner.js';
import { FunctionLogs } from './function-logs.js';

let logs: FunctionLogs;
let runner: TestRunner;

beforeEach(() => {
  logs = new FunctionLogs({ logBufferBytes: 1_000_000, maxLogCollectors: 8 });
});
afterEach(() => runner.close());

const says = (text: string, status: number) =>
  fn((request, response, container) => {
    request.resume().once('end', () => {
      container.print(text, 'stderr');
      response.writeHead(status).end();
    });
  });

async function start(options: Partial<Parameters<typeof TestRunner.start>[0]> = {}): Promise<void> {
  const functions = {
    talker: says('uh\n', 200),
    fails: says('oh no', 502),
    loud: says(`${'x'.repeat(100_000)}\n`, 200),
  };
  runner = await TestRunner.start({ functions, logs, ...options });
}

const logOf = async (call: object) => reportOf((await runner.run(call)).messages).log;

it.each`
  type       | image        | log
  ${'async'} | ${'talker'}  | ${'uh\n'}
  ${'async'} | ${'fails'}   | ${'oh no\n'}
  ${'async'} | ${'missing'} | ${''}
  ${'sync'}  | ${'talker'}  | ${''}
`('protocol: the report of a call of type $type of $image has the log "$log"', async ({ type, image, log }) => {
  await start();
  expect(await logOf({ type, image })).toBe(log);
});

it('the log of a call is bounded, and the next call is served', async () => {
  await start();
  expect(await logOf({ type: 'async', image: 'loud' })).toBe('x'.repeat(64 * 1024));
  expect(await logOf({ type: 'async', image: 'talker' })).toBe('uh\n');
});

it('each call has its own log, in the same container', async () => {
  let count = 0;
  const counts = fn((request, response, container) => {
    request.resume().once('end', () => {
      count += 1;
      container.print(`call ${count}\n`);
      response.end();
    });
  });
  await start({ functions: { counts } });
  expect([await logOf({ type: 'async', image: 'counts' }), await logOf({ type: 'async', image: 'counts' })]).toEqual([
    'call 1\n',
    'call 2\n',
  ]);
});

it('a runner whose operator does not want logs sends none', async () => {
  await start({ env: { FN_DISABLE_FUNCTION_LOGS: '1' } });
  expect(await logOf({ type: 'async', image: 'talker' })).toBe('');
});

it('a balancer that leaves a call is not waited for', async () => {
  const held = new Held();
  await start({ functions: { held: fn(held.handler) } });
  const engagement = runner.offer({ type: 'async', image: 'held' });
  await held.untilCalled(1);
  engagement.cancel();
  held.release();
  await engagement.status;
});

import { newGrpcRunner } from '@fnfleet/placement';
import { NOTHING_REPORTED, type RunnerMessage } from '@fnfleet/protocol';
import {
  dataFrame,
  endsBody,
  eventually,
  FLAG,
  fromRunner,
  GRPC_OK,
  GRPC_RESPONSE,
  grpcMessage,
  H2_ERROR,
  headersFrame,
  literalHeaders,
  type RawRunner,
  resetFrame,
  startRawRunner,
  TEST_LINK,
} from '@fnfleet/testing';
import { TestFleet } from './test-kit/test-fleet.js';

/**
 * What a runner says, as an HTTP client of the balancer sees it. Whatever it is, the client is answered or its connection is
 * broken, and the next client is served.
 */

let runner: RawRunner;
let fleet: TestFleet;
let unhandled: unknown[];
const onUnhandled = (error: unknown) => void unhandled.push(error);

beforeEach(() => {
  unhandled = [];
  process.on('unhandledRejection', onUnhandled);
  process.on('uncaughtException', onUnhandled);
});

afterEach(async () => {
  runner.behave();
  await eventually(async () => {
    expect(await fleet.send('/invoke/fn1')).toMatchObject({ status: 200, body: 'ordinary' });
  });
  await fleet.close();
  await runner.close();
  process.off('unhandledRejection', onUnhandled);
  process.off('uncaughtException', onUnhandled);
  expect(unhandled).toEqual([]);
});

/** A runner that takes every body and then says these bytes. */
async function start(said: Buffer): Promise<void> {
  runner = await startRawRunner({
    answers: async (connection, id) => {
      await connection.frame(endsBody(id));
      connection.write(headersFrame(id, literalHeaders(GRPC_RESPONSE)));
      for (let at = 0; at < said.length; at += 16_384) connection.write(dataFrame(id, said.subarray(at, at + 16_384)));
      connection.write(headersFrame(id, literalHeaders(GRPC_OK), FLAG.END_HEADERS | FLAG.END_STREAM));
    },
  });
  await startFleet();
}

async function startFleet(env: Record<string, string> = {}): Promise<void> {
  fleet = await TestFleet.start([], {
    env: { FN_RUNNER_ADDRESSES: runner.address, ...env },
    pool: undefined, // the one that the environment describes, over gRPC
    createRunner: (address) => newGrpcRunner(address, { ...TEST_LINK, backoff: { initialMs: 5, maxMs: 20 } }),
  });
}

/** Its status, or `broken` when it got no complete answer. */
async function call(path = '/invoke/fn1'): Promise<number | 'broken'> {
  const { status } = await fleet.send(path).catch(() => ({ status: 'broken' as const }));
  return status;
}

const failure = (errorCode: number, errorText = 'words'): RunnerMessage => ({
  kind: 'finished',
  report: { ...NOTHING_REPORTED, errorCode, errorText },
});
const success: RunnerMessage = { kind: 'finished', report: { ...NOTHING_REPORTED, success: true } };
const data: RunnerMessage = { kind: 'data', data: Buffer.from('x'), eof: false };
const result = (status: number, headers: [string, string][]): RunnerMessage => ({
  kind: 'resultStart',
  status,
  headers,
});

it.each([-(2 ** 31), -1, 0, 1, 42, 99, 100, 101, 200, 204, 304, 399, 600, 999, 1000, 2 ** 31 - 1])(
  'A10: the client gets 500 if a runner fails its call with code %i',
  async (code) => {
    await start(fromRunner(failure(code)));
    expect(await call()).toBe(500);
  },
);

it.each`
  what                            | text
  ${'with line breaks'}           | ${'a\r\nSet-Cookie: b'}
  ${'with control characters'}    | ${'\u0000\u001b[2J\u007f'}
  ${'with an unpaired surrogate'} | ${'\ud800'}
  ${'of 1 MB'}                    | ${'x'.repeat(1_000_000)}
`('A10: the client gets a JSON error for a failure with a message $what', async ({ text }) => {
  await start(fromRunner(failure(502, text)));
  const answer = await fleet.send('/invoke/fn1');
  expect(answer.status).toBe(502);
  expect(JSON.parse(answer.body)).toEqual({ message: expect.any(String) });
  expect(answer.headers['set-cookie']).toBeUndefined();
});

const MANY = Array.from({ length: 5_000 }, (_, index): [string, string] => [`x-${index}`, 'y']);

it.each`
  what                               | status  | headers
  ${'http2-settings'}                | ${200}  | ${[['HTTP2-Settings', 'x']]}
  ${'CR LF in a value'}              | ${200}  | ${[['A', 'b\r\nSet-Cookie: c']]}
  ${'CR LF in a name'}               | ${200}  | ${[['A\r\nB', 'c']]}
  ${'NUL'}                           | ${200}  | ${[['A', '\u0000']]}
  ${'a name with a space'}           | ${200}  | ${[['A b', 'c']]}
  ${'an empty name'}                 | ${200}  | ${[['', 'c']]}
  ${':status'}                       | ${200}  | ${[[':status', '500']]}
  ${'__proto__'}                     | ${200}  | ${[['__proto__', 'a'], ['constructor', 'b'], ['hasOwnProperty', 'c']]}
  ${'characters beyond Latin-1'}     | ${200}  | ${[['A', '\u4f60\u597d']]}
  ${'a length that is too small'}    | ${200}  | ${[['Content-Length', '0']]}
  ${'a length that is too large'}    | ${200}  | ${[['Content-Length', '99']]}
  ${'a length that is not a number'} | ${200}  | ${[['Content-Length', 'x']]}
  ${'a negative length'}             | ${200}  | ${[['Content-Length', '-1']]}
  ${'two lengths'}                   | ${200}  | ${[['Content-Length', '1'], ['Content-Length', '2']]}
  ${'a transfer encoding'}           | ${200}  | ${[['Transfer-Encoding', 'chunked, gzip']]}
  ${'function status 99'}            | ${200}  | ${[['Fn-Http-Status', '99']]}
  ${'function status 1000'}          | ${200}  | ${[['Fn-Http-Status', '1000']]}
  ${'function status 101'}           | ${200}  | ${[['Fn-Http-Status', '101']]}
  ${'function status x'}             | ${200}  | ${[['Fn-Http-Status', 'x']]}
  ${'5 000 headers'}                 | ${200}  | ${MANY}
  ${'a header of 1 MB'}              | ${200}  | ${[['A', 'x'.repeat(1_000_000)]]}
  ${'status 0'}                      | ${0}    | ${[]}
  ${'status 1'}                      | ${1}    | ${[]}
  ${'status 100'}                    | ${100}  | ${[]}
  ${'status 101'}                    | ${101}  | ${[]}
  ${'status 999'}                    | ${999}  | ${[]}
  ${'status 1000'}                   | ${1000} | ${[]}
  ${'status -1'}                     | ${-1}   | ${[]}
`(
  'A10: after a response head with $what the client gets an answer or its connection is closed',
  async ({ status, headers }) => {
    await start(fromRunner(result(status, headers), data, success));
    for (const path of ['/invoke/fn1', '/t/shop/hot']) {
      const answer = await call(path);
      if (answer !== 'broken') expect(answer).toBeGreaterThanOrEqual(200);
    }
  },
);

it.each`
  what                           | said
  ${'random bytes'}              | ${grpcMessage(Buffer.alloc(64, 0xff))}
  ${'nothing'}                   | ${Buffer.alloc(0)}
  ${'half a message'}            | ${fromRunner(success).subarray(0, 3)}
  ${'a response without an end'} | ${fromRunner(result(200, []), data)}
  ${'two responses'}             | ${fromRunner(result(200, []), data, success, result(200, []), data, success)}
  ${'two heads'}                 | ${fromRunner(result(200, []), result(404, [['A', 'b']]), data, success)}
  ${'a refusal after a head'}    | ${fromRunner(result(200, []), failure(503))}
`('after a runner sends $what the client gets an answer or its connection is closed', async ({ said }) => {
  await start(said);
  const answer = await call();
  if (answer !== 'broken') expect(answer).toBeGreaterThanOrEqual(200);
});

it.each(['REFUSED_STREAM', 'ENHANCE_YOUR_CALM'] as const)(
  'A1: a runner that resets every stream with %s: clients get 503, and it gets calls again when it recovers',
  async (error) => {
    runner = await startRawRunner({
      answers: (connection, id) => void connection.write(resetFrame(id, H2_ERROR[error])),
    });
    await startFleet({ FN_PLACER_TIMEOUT_MSECS: '300' });
    for (let index = 0; index < 5; index += 1) expect([500, 502, 503]).toContain(await call());
  },
);

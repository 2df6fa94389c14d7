// needs: python3-h2
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import { createInterface, type Interface } from 'node:readline';
import { MIB } from '@fnfleet/core';
import { NOTHING_REPORTED } from '@fnfleet/protocol';
import {
  anOutboundCall,
  FixedBody,
  fromRunner,
  H2_SERVER,
  ORDINARY_ANSWER,
  TEST_LINK,
  testTool,
} from '@fnfleet/testing';
import { newGrpcRunner } from './grpc-runner.js';
import type { Runner } from './runner.js';

/** Runners on other implementations of HTTP/2. In most other tests grpc-js acts as the runner. */

const never = new AbortController().signal;
const BIG_ANSWER = Buffer.concat([
  fromRunner({ kind: 'resultStart', status: 200, headers: [] }),
  ...Array.from({ length: 1000 }, () => fromRunner({ kind: 'data', data: Buffer.alloc(10_240, 'x'), eof: false })),
  fromRunner({ kind: 'finished', report: { ...NOTHING_REPORTED, success: true } }),
]);

let runner: Runner;
afterEach(() => runner.close());

async function calls(address: string, bodies: readonly Buffer[]) {
  runner = newGrpcRunner(address, TEST_LINK);
  const offered = bodies.map((body) => anOutboundCall({ body: new FixedBody(body) }));
  for (const outcome of await Promise.all(offered.map((call) => runner.tryCall(call, never)))) {
    expect(outcome.kind === 'finished' ? 'finished' : outcome.error).toBe('finished');
  }
  return offered.map(({ response }) => response.body.length);
}

const BODIES = [
  Buffer.alloc(0),
  Buffer.from('body'),
  Buffer.alloc(5 * MIB),
  ...new Array<Buffer>(20).fill(Buffer.alloc(1000)),
];

describe('python3-h2, which accepts nothing that HTTP/2 forbids', () => {
  let child: ChildProcess;
  let lines: Interface;

  async function startServer(answer: Buffer): Promise<string> {
    child = spawn(await testTool('python3-h2'), [H2_SERVER], { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin?.end(answer);
    lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
    const [port] = await once(lines, 'line');
    return `127.0.0.1:${port}`;
  }

  afterEach(async () => {
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  });

  it('takes bodies of all sizes at the same time', async () => {
    const sizes = await calls(await startServer(ORDINARY_ANSWER), BODIES);
    expect(new Set(sizes)).toEqual(new Set(['ordinary'.length]));
  });

  it('gives answers of 10 MB, three at the same time', async () => {
    expect(await calls(await startServer(BIG_ANSWER), BODIES.slice(0, 3))).toEqual([
      10_240_000, 10_240_000, 10_240_000,
    ]);
  });
});

it.each`
  what                  | answer             | bytes
  ${'small answers'}    | ${ORDINARY_ANSWER} | ${8}
  ${'answers of 10 MB'} | ${BIG_ANSWER}      | ${10_240_000}
`('node:http2: $what', async ({ answer, bytes }) => {
  // Otherwise it counts what it has not sent yet, and refuses streams.
  const server = http2.createServer({ maxSessionMemory: 1000 });
  server.on('stream', (stream) => {
    stream.resume();
    stream.once('end', () => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': 0 }));
      stream.end(answer);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  expect(new Set(await calls(`127.0.0.1:${port}`, BODIES.slice(0, 5)))).toEqual(new Set([bytes]));
  await runner.close();
  await new Promise((resolve) => server.close(resolve));
});

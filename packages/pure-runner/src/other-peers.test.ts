// needs: curl, nghttp, h2load, python3-h2
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http2 from 'node:http2';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { decodeRunnerMessage } from '@fnfleet/protocol';
import { grpcMessage, H2_CLIENT, runTool } from '@fnfleet/testing';
import { call } from './test-kit/hostile-bed.js';
import { RunnerProcess } from './test-kit/runner-process.js';

/** A runner's port as other implementations of HTTP/2 see it. grpc-js plays the balancer in most other tests. */

const ENGAGE = '/RunnerProtocol/Engage';
const CHECK = '/grpc.health.v1.Health/Check';
const BIG_BYTES = 10 * 1024 * 1024;

let runner: RunnerProcess;
let folder: string;
let empty: string;
beforeAll(async () => {
  runner = await RunnerProcess.start();
  folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-peers-'));
  empty = path.join(folder, 'empty-message');
  writeFileSync(empty, grpcMessage(Buffer.alloc(0)));
});
afterAll(async () => {
  expect((await runner.holdings()).errors).toEqual([]);
  await runner.close();
  rmSync(folder, { recursive: true });
});

const url = (rpc: string) => `http://${runner.address}${rpc}`;
const GRPC_HEADERS = ['-H', 'content-type: application/grpc', '-H', 'te: trailers'];
/** `SERVING`, as a message of gRPC. */
const SERVING = grpcMessage(Buffer.from([0x08, 0x01]));

/** What the function answered, in the messages of an engagement. */
function answerIn(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    const message = decodeRunnerMessage(bytes.subarray(at + 5, end));
    if (message.kind === 'data') parts.push(message.data);
    if (message.kind === 'finished') expect(message.report).toMatchObject({ success: true, errorText: '' });
    at = end;
  }
  return Buffer.concat(parts);
}

it('curl: a health check and a call', async () => {
  const curl = (rpc: string, body: string) =>
    runTool('curl', [
      '-sS',
      '--http2-prior-knowledge',
      ...GRPC_HEADERS,
      '--data-binary',
      `@${body}`,
      '-D',
      path.join(folder, 'head'),
      url(rpc),
    ]);
  expect(await curl(CHECK, empty)).toEqual(SERVING);
  const head = await runTool('curl', ['-sS', `file://${path.join(folder, 'head')}`]);
  expect(head.toString()).toMatch(/^HTTP\/2 200 .*grpc-status: 0/s);
  const offer = path.join(folder, 'offer');
  writeFileSync(offer, call('echo'));
  expect(answerIn(await curl(ENGAGE, offer)).toString()).toBe('body');
});

it('nghttp: a response of 10 MiB', async () => {
  const offer = path.join(folder, 'big-offer');
  writeFileSync(offer, call('big'));
  const answer = await runTool('nghttp', ['--no-dep', ...GRPC_HEADERS, '-d', offer, url(ENGAGE)]);
  expect(answerIn(answer)).toHaveLength(BIG_BYTES);
});

it('h2load: 4 000 health checks over 8 connections, and 2 000 calls', async () => {
  const load = async (rpc: string, body: string, count: number) => {
    const args = ['-n', String(count), '-c', '8', '-m', '20', ...GRPC_HEADERS, '-d', body, url(rpc)];
    return (await runTool('h2load', args)).toString();
  };
  expect(await load(CHECK, empty, 4_000)).toMatch(/4000 succeeded, 0 failed, 0 errored/);
  const offer = path.join(folder, 'echo-offer');
  writeFileSync(offer, call('echo'));
  expect(await load(ENGAGE, offer, 2_000)).toMatch(/2000 succeeded, 0 failed, 0 errored/);
});

it.each`
  what                     | rpc       | body                            | bytes
  ${'a health check'}      | ${CHECK}  | ${grpcMessage(Buffer.alloc(0))} | ${undefined}
  ${'a call'}              | ${ENGAGE} | ${call('echo')}                 | ${4}
  ${'an answer of 10 MiB'} | ${ENGAGE} | ${call('big')}                  | ${BIG_BYTES}
`('python3-h2, which rejects every violation of HTTP/2: $what', async ({ rpc, body, bytes }) => {
  const printed = await runTool('python3-h2', [H2_CLIENT, String(runner.port), rpc], body);
  const { head, data, trailers } = JSON.parse(printed.toString());
  expect([head[':status'], head['content-type'], trailers['grpc-status']]).toEqual(['200', 'application/grpc', '0']);
  const answer = Buffer.from(data, 'hex');
  if (bytes === undefined) expect(answer).toEqual(SERVING);
  else expect(answerIn(answer)).toHaveLength(bytes);
});

// Not more than the runner has room for: it refuses what would have to wait.
it('node:http2: 25 concurrent calls on one connection', async () => {
  const session = http2.connect(`http://${runner.address}`);
  const one = () =>
    new Promise<string>((resolve, reject) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': ENGAGE,
        'content-type': 'application/grpc',
        te: 'trailers',
      });
      const parts: Buffer[] = [];
      stream.on('data', (part: Buffer) => parts.push(part));
      stream.on('error', reject);
      stream.on('trailers', (trailers) => resolve(`${trailers['grpc-status']} ${answerIn(Buffer.concat(parts))}`));
      stream.end(call('echo'));
    });
  expect(new Set(await Promise.all(Array.from({ length: 25 }, one)))).toEqual(new Set(['0 body']));
  await new Promise<void>((resolve) => session.close(resolve));
});

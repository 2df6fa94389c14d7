import { mkdtempSync, rmSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FakeClock } from '@fnfleet/core';
import { NOTHING_REPORTED } from '@fnfleet/protocol';
import {
  anOutboundCall,
  eventually,
  FixedBody,
  FleetCertificates,
  type ScriptedEngagement,
  type ScriptedRunner,
  startScriptedRunner,
  TEST_LINK,
} from '@fnfleet/testing';
import { newGrpcRunner } from './grpc-runner.js';
import type { Runner } from './runner.js';

/** Runners on a unix socket of this machine, with grpc-js as the runner. */

const never = new AbortController().signal;

let folder: string;
let address: string;
let runner: Runner;
let peer: ScriptedRunner | undefined;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-unix-'));
  address = `unix:${folder}/r.sock`;
});
afterEach(async () => {
  await runner.close();
  await peer?.close();
  peer = undefined;
  rmSync(folder, { recursive: true });
});

async function echo(engagement: ScriptedEngagement): Promise<void> {
  const body = await engagement.wholeBody;
  engagement.send({ kind: 'resultStart', status: 200, headers: [] });
  for (let at = 0; at < body.length; at += 10_240) {
    engagement.send({ kind: 'data', data: body.subarray(at, at + 10_240), eof: false });
  }
  engagement.send({ kind: 'finished', report: { ...NOTHING_REPORTED, success: true } });
  engagement.end();
}

async function offered(body: Buffer) {
  const call = anOutboundCall({ body: new FixedBody(body) });
  const outcome = await runner.tryCall(call, never);
  return { outcome, answer: call.response.body };
}

it.each(['unix:', 'unix://'])('calls of all sizes at the same time, to an address with %s', async (scheme) => {
  peer = await startScriptedRunner(echo, { at: address });
  runner = newGrpcRunner(address.replace('unix:', scheme), TEST_LINK);
  const bodies = [0, 4, 100_000, 3_000_000, 1_000].map((size) => Buffer.alloc(size, 'x'));
  const ended = await Promise.all(bodies.map(offered));
  expect(ended.map(({ outcome }) => outcome.kind)).toEqual(bodies.map(() => 'finished'));
  expect(ended.map(({ answer }) => answer.length)).toEqual(bodies.map(({ length }) => length));
  expect(peer.engagements.at(0)?.metadata.get('fnfleet-accept')).toEqual(['started']);
});

it('the host is localhost, as gRPC has it, because a path is none', async () => {
  const asked: unknown[] = [];
  const server = http2.createServer();
  server.on('stream', (stream, headers) => {
    asked.push(headers[':authority']);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(Buffer.alloc(5));
  });
  await new Promise<void>((resolve) => server.listen(path.join(folder, 'r.sock'), resolve));
  runner = newGrpcRunner(address, TEST_LINK);
  await runner.status();
  expect(asked).toEqual(['localhost']);
  await runner.close();
  await new Promise((resolve) => server.close(resolve));
});

it.each`
  what                        | make
  ${'does not exist'}         | ${() => undefined}
  ${'has nobody who listens'} | ${() => net.createServer().listen(path.join(folder, 'r.sock')).unref()}
`('a socket that $what: nothing has run, and calls arrive once the runner is there', async ({ make }) => {
  const left: net.Server | undefined = make();
  left?.close();
  const clock = new FakeClock();
  runner = newGrpcRunner(address, { ...TEST_LINK, clock });
  const refused = await offered(Buffer.from('x'));
  expect(refused.outcome).toMatchObject({ kind: 'refused', reason: 'unreachable' });
  expect(String((refused.outcome as { error: Error }).error)).toMatch(/connect ENOENT .*r\.sock|r\.sock/);
  peer = await startScriptedRunner(echo, { at: address });
  await clock.advance(10_000);
  expect((await offered(Buffer.from('x'))).outcome.kind).toBe('finished');
});

it('a socket that is removed while the runner runs: the connection goes on, and a new runner gets the next', async () => {
  peer = await startScriptedRunner(echo, { at: address });
  const clock = new FakeClock();
  runner = newGrpcRunner(address, { ...TEST_LINK, clock });
  expect((await offered(Buffer.from('x'))).outcome.kind).toBe('finished');
  rmSync(path.join(folder, 'r.sock'));
  expect((await offered(Buffer.from('x'))).outcome.kind).toBe('finished');
  await peer.close();
  await eventually(async () =>
    expect((await offered(Buffer.from('x'))).outcome).toMatchObject({ kind: 'refused', reason: 'unreachable' }),
  );
  peer = await startScriptedRunner(echo, { at: address });
  await clock.advance(10_000);
  expect((await offered(Buffer.from('x'))).outcome.kind).toBe('finished');
});

describe('with TLS', () => {
  const certificates = new FleetCertificates();

  async function statusOf(altNames: string[], runnerName?: string): Promise<unknown> {
    const { cert, key, ca } = certificates.identity('runner-1', { altNames }).material;
    const server = http2.createSecureServer({ cert, key, ca, requestCert: true, rejectUnauthorized: true });
    const sockets: net.Socket[] = [];
    server.on('secureConnection', (socket) => sockets.push(socket));
    server.on('stream', (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.alloc(5));
    });
    await new Promise<void>((resolve) => server.listen(path.join(folder, 'r.sock'), resolve));
    runner = newGrpcRunner(address, { ...TEST_LINK, tls: { identity: certificates.identity('balancer'), runnerName } });
    const answer = await runner.status().then(
      ({ active }) => active,
      (error: Error) => error.message,
    );
    await runner.close();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
    return answer;
  }

  it.each`
    altNames               | runnerName           | answer
    ${['localhost']}       | ${undefined}         | ${0}
    ${['runners.example']} | ${'runners.example'} | ${0}
    ${['10.0.0.9']}        | ${undefined}         | ${expect.stringContaining('is not for localhost')}
  `('a runner with a certificate for $altNames: $answer', async ({ altNames, runnerName, answer }) => {
    expect(await statusOf(altNames, runnerName)).toEqual(answer);
  });
});

// takes: 3 s
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { readSettings, silentLogger } from '@fnfleet/core';
import { fn } from '@fnfleet/drivers';
import { ACCEPT_HEADER, ACCEPT_STARTED, STARTED_HEADER, startAckHeader } from '@fnfleet/protocol';
import { aCall, eventually, FleetCertificates, PREFACE, settingsFrame } from '@fnfleet/testing';
import { pureRunnerSettings } from './settings.js';
import { answerOf, frame, TestRunner, type TestRunnerOptions, tryOf } from './test-kit/test-runner.js';

/** Answers when it has all: a function that answers before has failed. */
const echo = fn(async (request, response) => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  response.end(Buffer.concat(chunks));
});

let folder: string;
let socket: string;
let runner: TestRunner | undefined;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-unix-'));
  socket = path.join(folder, 'r.sock');
});
afterEach(async () => {
  await runner?.close();
  runner = undefined;
  rmSync(folder, { recursive: true });
});

async function start(options: Partial<TestRunnerOptions> = {}): Promise<TestRunner> {
  runner = await TestRunner.start({ functions: { echo }, listen: `unix:${socket}`, ...options });
  return runner;
}

it('grpc-js as the balancer: calls of all sizes, at the same time, and other methods', async () => {
  const started = await start();
  const sizes = [0, 10, 100_000, 3_000_000, 1_000];
  const ended = await Promise.all(sizes.map((size) => started.run({ image: 'echo' }, 'x'.repeat(size))));
  expect(ended.map(({ messages }) => answerOf(messages).length)).toEqual(sizes);
  expect(await started.balancer.unary('Status')).toMatchObject({ failed: false });
});

it('a start needs no confirmation, as on loopback', async () => {
  const { balancer } = await start();
  const engagement = balancer.engage({ metadata: { [ACCEPT_HEADER]: ACCEPT_STARTED } });
  engagement.send(tryOf(aCall({ image: 'echo' })));
  engagement.send(frame('x', true));
  expect((await engagement.metadata).get(STARTED_HEADER)).toEqual([startAckHeader('announced')]);
  await engagement.status;
});

it('has no port', async () => {
  const { runner: service } = await start();
  expect(() => service.address).toThrow('listens on a unix socket, not on a port');
});

it.each(['drain', 'close'] as const)('the socket is gone after %s', async (how) => {
  const started = await start();
  const { runner: service } = started;
  await started.run({ image: 'echo' }, 'x');
  expect(existsSync(socket)).toBe(true);
  if (how === 'drain') await service.drain({ graceMs: 1_000 });
  else await service.close();
  expect(existsSync(socket)).toBe(false);
});

it('a runner that cannot use the socket does not start, and says what is wrong', async () => {
  writeFileSync(socket, '');
  await expect(start()).rejects.toThrow(
    `cannot listen on ${socket} (FN_GRPC_SOCKET): there is something else than a socket`,
  );
  socket = path.join(folder, 'other.sock');
  await start();
  const { driver, agent } = runner as TestRunner;
  await expect(TestRunner.start({ functions: { echo }, listen: `unix:${socket}` })).rejects.toThrow(
    `cannot listen on ${socket} (FN_GRPC_SOCKET): another process listens there`,
  );
  expect((await (runner as TestRunner).run({ image: 'echo' }, 'x')).kinds).toEqual(['resultStart', 'data', 'finished']);
  expect([driver.counters.live, agent.utilization.memoryUsedBytes > 0]).toEqual([1, true]);
});

/** What becomes of a connection that says hello. */
function another(): Promise<string> {
  return new Promise((resolve) => {
    const visitor = connect(socket, () => visitor.write(Buffer.concat([Buffer.from(PREFACE), settingsFrame()])));
    visitor.on('error', () => resolve('closed')).once('close', () => resolve('closed'));
    visitor.once('data', () => {
      resolve('open');
      visitor.destroy();
    });
  });
}

it('all connections count as those of one address', async () => {
  const started = await start({ maxConnectionsPerAddress: 1 });
  expect(await started.balancer.unary('Status')).toMatchObject({ failed: false });
  expect(await another()).toBe('closed');
  expect((await started.run({ image: 'echo' }, 'x')).kinds).toContain('finished');
});

it('connections that come and go leave nothing', async () => {
  await start({ maxConnectionsPerAddress: 2 });
  for (let times = 0; times < 20; times += 1) await eventually(async () => expect(await another()).toBe('open'));
  expect((await (runner as TestRunner).run({ image: 'echo' }, 'x')).kinds).toContain('finished');
});

describe('with TLS', () => {
  const certificates = new FleetCertificates();
  const member = certificates.identity('balancer');

  /** The first data that a client receives; `nothing` if its connection is closed before. */
  async function received(identity: typeof member | undefined): Promise<string> {
    const own = identity && { cert: identity.material.cert, key: identity.material.key };
    const options = { path: socket, ca: certificates.authority, ALPNProtocols: ['h2'], servername: 'runner', ...own };
    const visitor = tls.connect(options, () => visitor.write(Buffer.concat([Buffer.from(PREFACE), settingsFrame()])));
    try {
      return await new Promise((resolve) => {
        visitor.once('data', () => resolve('welcome'));
        visitor.once('error', () => resolve('nothing'));
        visitor.once('close', () => resolve('nothing'));
      });
    } finally {
      visitor.destroy();
    }
  }

  it('the same certificates are required as on a port, and refusals are logged once for each reason', async () => {
    const said: string[] = [];
    const logger = {
      ...silentLogger,
      warn: (what: string, fields?: object) => void said.push(`${what} ${JSON.stringify(fields)}`),
    };
    await start({ tls: { identity: certificates.identity('runner'), allowedNames: ['balancer'], logger } });
    expect(await received(member)).toBe('welcome');
    expect(await received(undefined)).toBe('nothing');
    expect(await received(undefined)).toBe('nothing');
    expect(await received(certificates.identity('balancer', { ours: false }))).toBe('nothing');
    expect(await received(certificates.identity('other', { altNames: [] }))).toBe('nothing');
    await eventually(() => expect(said).toHaveLength(3));
    expect(said.join('\n')).toMatch(/no certificate.*\n.*has not signed it.*\n.*not among those allowed/);
    expect(await received(member)).toBe('welcome');
    const plain = connect(socket);
    plain.on('error', () => undefined).write('hello');
    await once(plain, 'close');
  });
});

describe('FN_GRPC_SOCKET', () => {
  const read = (value: string) => readSettings(pureRunnerSettings, { FN_GRPC_SOCKET: value }).grpcSocket;

  it.each(['unix:/run/fnfleet/r.sock', 'unix:///run/fnfleet/r.sock'])('%s', (value) => {
    expect(read(value)).toBe('/run/fnfleet/r.sock');
  });

  it.each`
    value                         | problem
    ${'/run/r.sock'}              | ${'expected unix:/path, an absolute path'}
    ${'unix:r.sock'}              | ${'expected unix:/path, an absolute path'}
    ${`unix:/${'a'.repeat(107)}`} | ${'its path has 108 bytes; that of a unix socket has at most 107'}
  `('$value is refused: $problem', ({ value, problem }) => {
    expect(() => read(value)).toThrow(problem);
  });
});

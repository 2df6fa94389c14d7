import { once } from 'node:events';
import http2 from 'node:http2';
import type { Agent } from '@fnfleet/agent';
import { silentLogger } from '@fnfleet/core';
import { fn } from '@fnfleet/drivers';
import { eventually } from '@fnfleet/testing';
import {
  Client,
  credentials,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath as healthProto } from 'grpc-health-check';
import { FunctionLogs } from '../logs/function-logs.js';
import { newPureRunner } from '../pure-runner.js';
import { TestRunner } from '../test-kit/test-runner.js';

const echo = fn((request, response) => request.pipe(response));

let runner: TestRunner;
let address: string;
const sessions: http2.ClientHttp2Session[] = [];
const clients: Client[] = [];

beforeEach(async () => {
  runner = await TestRunner.start({ functions: { echo } });
  address = `127.0.0.1:${runner.runner.address.port}`;
});

afterEach(async () => {
  // Whatever came before, an ordinary call is served, and Status answers.
  expect((await runner.run({ image: 'echo' }, 'still here')).kinds).toEqual(['resultStart', 'data', 'finished']);
  expect(await runner.balancer.unary('Status')).toMatchObject({ active: 0, failed: false });
  for (const session of sessions.splice(0)) session.destroy();
  for (const client of clients.splice(0)) client.close();
  await runner.close();
});

interface HealthClient extends Client {
  check(request: { service: string }, done: (error: ServiceError | null, answer?: { status: string }) => void): void;
  list(request: object, done: (error: ServiceError | null, answer?: { statuses: object }) => void): void;
  watch(request: {
    service: string;
  }): AsyncIterable<{ status: string }> & { cancel(): void; on(event: 'error', on: () => void): void };
}

function healthClient(): HealthClient {
  const loaded = loadPackageDefinition(loadSync(healthProto, { enums: String, defaults: true })) as unknown as {
    grpc: { health: { v1: { Health: ServiceClientConstructor } } };
  };
  const client = new loaded.grpc.health.v1.Health(address, credentials.createInsecure());
  clients.push(client);
  return client as unknown as HealthClient;
}

function session(): http2.ClientHttp2Session {
  const made = http2.connect(`http://${address}`);
  made.on('error', () => undefined);
  sessions.push(made);
  return made;
}

const WATCH = '/grpc.health.v1.Health/Watch';
const EMPTY_MESSAGE = Buffer.alloc(5);

/** Opens a stream that stays open; resolves with the status it ends with, or 'open' once a message is there. */
function open(
  on: http2.ClientHttp2Session,
  path: string,
  says = EMPTY_MESSAGE,
): { stream: http2.ClientHttp2Stream; state: Promise<string> } {
  const stream = on.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' });
  stream.on('error', () => undefined);
  if (says.length > 0) stream.write(says);
  const state = new Promise<string>((resolve) => {
    stream.once('data', () => resolve('open'));
    stream.once('trailers', (trailers) => resolve(`${trailers['grpc-status']}`));
    stream.once('close', () => resolve(`reset ${stream.rstCode}`));
  });
  return { stream, state };
}

/** The gRPC status that a stream ends with. */
function endOf(stream: http2.ClientHttp2Stream): Promise<string> {
  return new Promise((resolve) => {
    for (const event of ['response', 'trailers']) {
      stream.on(event, (headers) => headers['grpc-status'] !== undefined && resolve(headers['grpc-status']));
    }
    stream.once('close', () => resolve(`reset ${stream.rstCode}`));
  });
}

describe('health', () => {
  it('answers for the server and for the service, and for no other name', async () => {
    const client = healthClient();
    const check = (service: string) =>
      new Promise((resolve) => client.check({ service }, (error, answer) => resolve(error?.code ?? answer?.status)));
    expect(await Promise.all(['', 'RunnerProtocol', 'another'].map(check))).toEqual(['SERVING', 'SERVING', 5]);
    expect(await new Promise((resolve) => client.list({}, (_, answer) => resolve(answer?.statuses)))).toEqual({
      '': { status: 'SERVING' },
      RunnerProtocol: { status: 'SERVING' },
    });
  });

  it.each`
    end                 | becomes
    ${'is ready'}       | ${'SERVING'}
    ${'cannot be used'} | ${'NOT_SERVING'}
  `('is NOT_SERVING until the driver is ready: when the driver $end it is $becomes', async ({ end, becomes }) => {
    const ready = Promise.withResolvers<void>();
    const late: Agent = Object.create(runner.agent, { ready: { value: ready.promise } });
    const other = newPureRunner({ agent: late, listen: '127.0.0.1:0' });
    address = await eventually(() => `127.0.0.1:${other.address.port}`);
    const client = healthClient();
    const check = () =>
      new Promise((resolve) => client.check({ service: '' }, (_error, answer) => resolve(answer?.status)));
    expect(await check()).toBe('NOT_SERVING');
    if (becomes === 'SERVING') ready.resolve();
    else ready.reject(new Error('no engine'));
    expect(
      await other.ready.then(
        () => 'is ready',
        () => 'cannot be used',
      ),
    ).toBe(end);
    expect(await check()).toBe(becomes);
    await other.close();
    // With it went the agent.
    await runner.close();
    runner = await TestRunner.start({ functions: { echo } });
  });

  it('reports each change to watchers, and SERVICE_UNKNOWN for unknown names', async () => {
    const client = healthClient();
    const watch = client.watch({ service: '' });
    const seen: string[] = [];
    for await (const { status } of watch) {
      seen.push(status);
      if (seen.length === 1) runner.runner.suspend();
      if (seen.length === 2) runner.runner.resume();
      if (seen.length === 3) break;
    }
    expect(seen).toEqual(['SERVING', 'NOT_SERVING', 'SERVING']);
    const unknown = client.watch({ service: 'another' });
    unknown.on('error', () => undefined);
    for await (const { status } of unknown) {
      expect(status).toBe('SERVICE_UNKNOWN');
      break;
    }
  });
});

it.each(['v1', 'v1alpha'])('reflection %s lists what is served', async (version) => {
  const path = `${require.resolve('@grpc/reflection/package.json').replace('package.json', '')}build/proto/grpc/reflection/${version}/reflection.proto`;
  const loaded = loadPackageDefinition(loadSync(path)) as unknown as {
    grpc: { reflection: Record<string, { ServerReflection: ServiceClientConstructor }> };
  };
  const Reflection = loaded.grpc.reflection[version]?.ServerReflection;
  if (Reflection === undefined) throw new Error('no such service');
  const client = new Reflection(address, credentials.createInsecure());
  clients.push(client);
  const stream = client.ServerReflectionInfo?.() as unknown as NodeJS.ReadWriteStream &
    AsyncIterable<{
      listServicesResponse: { service: { name: string }[] };
    }>;
  stream.write({ listServices: '' } as never);
  stream.end();
  const names: string[] = [];
  for await (const { listServicesResponse } of stream)
    names.push(...listServicesResponse.service.map(({ name }) => name));
  expect(names.sort()).toEqual(['.RunnerProtocol', 'grpc.health.v1.Health']);
});

it.each`
  what                   | path
  ${'watches of health'} | ${WATCH}
  ${'Status'}            | ${'/RunnerProtocol/Status'}
  ${'reflection'}        | ${'/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'}
  ${'StreamLogs'}        | ${'/RunnerProtocol/StreamLogs'}
  ${'unknown methods'}   | ${'/no.such/Method'}
`('1 600 streams of $what, opened and reset, leave nothing behind', async ({ path }) => {
  const on = session();
  await once(on, 'connect');
  for (let i = 0; i < 1600; i += 1) open(on, path).stream.close(http2.constants.NGHTTP2_CANCEL);
  await new Promise((resolve, reject) => on.ping((error) => (error ? reject(error) : resolve(undefined))));
  // On the same connection, too: their places are free again.
  expect(await open(on, path).state).not.toBe('8');
});

it('long-lived streams are limited per connection, and never block Status', async () => {
  const on = session();
  const states = await Promise.all(Array.from({ length: 40 }, () => open(on, WATCH).state));
  expect(states.filter((state) => state === 'open')).toHaveLength(32);
  expect(states.filter((state) => state === '8')).toHaveLength(8);
  expect(await open(on, '/RunnerProtocol/Status').state).toBe('open');
  expect(await open(session(), WATCH).state).toBe('open');
});

it.each`
  what            | headers                             | status
  ${'text/plain'} | ${{ 'content-type': 'text/plain' }} | ${415}
  ${'nothing'}    | ${{}}                               | ${415}
`('a request with $what as its content type is not gRPC: $status', async ({ headers, status }) => {
  const stream = session().request({ ':method': 'POST', ':path': '/RunnerProtocol/Status', ...headers });
  stream.on('error', () => undefined).end();
  const answered = await new Promise((resolve) => stream.once('response', (response) => resolve(response[':status'])));
  expect(answered).toBe(status);
});

it('an invalid request gets an error, and so does one without a message', async () => {
  const client = new Client(address, credentials.createInsecure());
  clients.push(client);
  const ask = (path: string, bytes: Buffer) =>
    new Promise((resolve) => {
      const raw = (value: Buffer) => value;
      client.makeUnaryRequest(path, raw, raw, bytes, (error) => resolve(error?.code));
    });
  expect(await ask('/RunnerProtocol/Status2', Buffer.from([0xff, 0xff]))).toBe(13);
  expect(await ask('/RunnerProtocol/ConfigureRunner', Buffer.from([0x0a, 0xff]))).toBe(13);
  expect(await ask('/grpc.health.v1.Health/Check', Buffer.from([0x0f]))).toBe(13);
  // A field of a later version, and then the name.
  expect(await ask('/grpc.health.v1.Health/Check', Buffer.from([0x10, 1, 0x0a, 0]))).toBeUndefined();
  expect(await ask('/grpc.reflection.v1.ServerReflection/ServerReflectionInfo', Buffer.from([0x0a, 0xff]))).toBe(13);
  const { stream } = open(session(), '/RunnerProtocol/Status', Buffer.alloc(0));
  stream.end();
  expect(await endOf(stream)).toBe('13');
});

it.each`
  what            | path
  ${'Watch'}      | ${WATCH}
  ${'StreamLogs'} | ${'/RunnerProtocol/StreamLogs'}
  ${'reflection'} | ${'/grpc.reflection.v1.ServerReflection/ServerReflectionInfo'}
`(
  'a message to $what that cannot be decoded ends it with INTERNAL, and is not logged as a fault of the runner',
  async ({ path }) => {
    const faults: string[] = [];
    const logs = new FunctionLogs({ logBufferBytes: 10_000, maxLogCollectors: 1 });
    const logger = { ...silentLogger, error: (what: string) => void faults.push(what) };
    const other = await TestRunner.start({ functions: { echo }, logs, logger });
    const on = http2.connect(`http://127.0.0.1:${other.runner.address.port}`);
    on.on('error', () => undefined);
    sessions.push(on);
    expect(await endOf(open(on, path, Buffer.from([0, 0, 0, 0, 2, 0x0a, 0xff])).stream)).toBe('13');
    expect([faults, logs.collectors]).toEqual([[], 0]);
    await other.close();
  },
);

it('a health watch ends with the runner, and gets each change once', async () => {
  const watch = healthClient().watch({ service: '' });
  const seen: string[] = [];
  const ended = new Promise<unknown>((resolve) => watch.on('error', resolve as () => void));
  const statuses = (async () => {
    for await (const { status } of watch) {
      seen.push(status);
      if (seen.length === 1) runner.runner.suspend();
      if (seen.length === 2) void runner.runner.drain({ graceMs: 0 });
    }
  })().catch(() => undefined);
  expect(await ended).toMatchObject({ code: 14, details: 'the runner is shutting down' });
  await statuses;
  expect(seen).toEqual(['SERVING', 'NOT_SERVING']);
  await runner.close();
  runner = await TestRunner.start({ functions: { echo } });
});

it('engagements of all connections are limited: a further one gets REFUSED_STREAM', async () => {
  const small = await TestRunner.start({ functions: { echo }, maxStreams: 2 });
  const at = `http://127.0.0.1:${small.runner.address.port}`;
  const ends = await Promise.all(
    [1, 2, 3].map(async () => {
      const on = http2.connect(at);
      sessions.push(on);
      await once(on, 'connect');
      return open(on, '/RunnerProtocol/Engage', Buffer.alloc(0));
    }),
  );
  expect(await Promise.race(ends.map(({ state }) => state))).toBe(`reset ${http2.constants.NGHTTP2_REFUSED_STREAM}`);
  for (const { stream } of ends) stream.close(http2.constants.NGHTTP2_CANCEL);
  while (Number((await small.balancer.unary('Status')).active) > 0)
    await new Promise((resolve) => setTimeout(resolve, 5));
  expect((await small.run({ image: 'echo' }, 'room again')).kinds).toHaveLength(3);
  await small.close();
});

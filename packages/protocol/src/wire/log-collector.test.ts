import { getEventListeners, once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { fixedIdentity } from '@fnfleet/tls';
import { Metadata, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { collectLogs } from './log-collector.js';
import type { LogBatch } from './log-messages.js';
import { runnerService } from './runner-proto.js';

const BATCHES = 1_000;

type LogStream = ServerDuplexStream<{ ack?: object; ready?: object; start?: object }, object>;

let server: Server;
let address: string;
let life: AbortController;
/** What the runner of a test does. */
let script: (stream: LogStream) => void;

beforeEach(async () => {
  life = new AbortController();
  server = new Server();
  const service = runnerService();
  server.addService(service, { StreamLogs: (stream: LogStream) => script(stream) });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  address = `127.0.0.1:${port}`;
});
afterEach(() => {
  life.abort();
  server.forceShutdown();
});

function batch(text: string): object {
  const line = { timestamp: 1, source: 'STDOUT', data: Buffer.from(text) };
  return {
    data: [{ applicationId: 'a', functionId: 'f', containerId: 'c', data: [{ requestId: 'r', data: [line] }] }],
  };
}

const collect = (onBatch: (batch: LogBatch) => void | Promise<void>) =>
  collectLogs({ address, config: {}, onBatch, signal: life.signal });

it('receives one batch at a time, even from a runner that does not wait for acknowledgements', async () => {
  script = (stream) => {
    for (let n = 0; n < BATCHES; n += 1) stream.write(batch(`${n}`));
    let acknowledged = 0;
    stream.on('data', ({ ack }) => {
      if (ack) acknowledged += 1;
      if (acknowledged === BATCHES) stream.end();
    });
  };
  let inHand = 0;
  let most = 0;
  let seen = 0;
  await collect(async ({ lines }) => {
    inHand += 1;
    most = Math.max(most, inHand);
    await new Promise((resolve) => setImmediate(resolve));
    expect(lines.map(({ text }) => `${text}`)).toEqual([`${seen}`]);
    seen += 1;
    inHand -= 1;
  });
  expect([most, seen]).toEqual([1, BATCHES]);
});

it('ends with the status of the runner, whatever that is', async () => {
  script = (stream) => stream.emit('error', { code: 2, details: 'no\x1b[2J' });
  await expect(collect(() => undefined)).rejects.toThrow('no');
});

it('ends with the signal, even if the runner sends nothing', async () => {
  script = () => undefined;
  const ended = collect(() => undefined);
  setTimeout(() => life.abort(), 50);
  await ended;
});

it('a runner without TLS receives nothing from a collector that expects TLS', async () => {
  let called = false;
  script = () => {
    called = true;
  };
  const tls = { identity: fixedIdentity({ ca: '' }) };
  await expect(
    collectLogs({ address, tls, config: {}, onBatch: () => undefined, signal: life.signal }),
  ).rejects.toThrow();
  expect(called).toBe(false);
});

it('sends its request, ready, and an acknowledgement for each batch, in this order', async () => {
  const said: object[] = [];
  script = (stream) => {
    stream.on('data', (message) => {
      const [what] = Object.entries(message).find(([, value]) => value) ?? [];
      said.push(what === 'start' ? message.start : { [`${what}`]: true });
      if (message.ready || (message.ack && said.length < 4)) stream.write(batch('line'));
      else if (message.ack) stream.end();
    });
  };
  const batches: LogBatch[] = [];
  const onBatch = (one: LogBatch) => void batches.push(one);
  await collectLogs({ address, config: { app: 'a' }, onBatch, signal: life.signal });
  expect(said).toEqual([{ config: { app: 'a' } }, { ready: true }, { ack: true }, { ack: true }]);
  expect(batches).toHaveLength(2);
});

it('reports when the session is established, and not before', async () => {
  const told: string[] = [];
  script = (stream) => {
    told.push('asked');
    stream.sendMetadata(new Metadata());
    setImmediate(() => stream.end());
  };
  const onOpen = () => void told.push('open');
  await collectLogs({ address, config: {}, onOpen, onBatch: () => undefined, signal: life.signal });
  expect(told).toEqual(['asked', 'open']);
});

it('does not connect if nobody waits any more', async () => {
  script = () => fail();
  life.abort();
  await collect(fail);
});

it('fails with the status of a runner that cannot be reached or refuses', async () => {
  script = (stream) => stream.emit('error', { code: 7, details: 'not you' });
  await expect(collect(fail)).rejects.toMatchObject({ name: 'StreamError', code: 7 });
  server.forceShutdown();
  await expect(collect(fail)).rejects.toMatchObject({ name: 'StreamError', code: 14 });
  expect(getEventListeners(life.signal, 'abort')).toEqual([]);
});

it.each(['the runner ends it', 'the signal aborts'])('leaves no connection behind when %s', async (how) => {
  const way = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.pipe(connect(Number(address.split(':')[1]), '127.0.0.1').on('error', () => undefined)).pipe(socket);
  });
  way.listen(0, '127.0.0.1');
  await once(way, 'listening');
  script = (stream) => (how === 'the signal aborts' ? life.abort() : stream.end());
  const through = `127.0.0.1:${(way.address() as AddressInfo).port}`;
  await collectLogs({ address: through, config: {}, onBatch: fail, signal: life.signal });
  await new Promise((resolve) => way.close(resolve)); // waits for every connection
  expect(getEventListeners(life.signal, 'abort')).toEqual([]);
});

function fail(): never {
  throw new Error('nobody asked for this');
}

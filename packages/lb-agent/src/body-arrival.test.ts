import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { KIB, RecordedMetrics } from '@fnfleet/core';
import { FakeRunner, reportOf } from '@fnfleet/placement';
import { type FleetOptions, TestFleet } from './test-kit/test-fleet.js';

const metrics = RecordedMetrics.install();
const DETACHED = { 'Fn-Invoke-Type': 'detached' };

let runner: FakeRunner;
let fleet: TestFleet;
let clients: Client[];

/** A client that sends its request by hand. */
class Client {
  received = '';
  readonly closed: Promise<unknown>;
  private readonly socket: Socket;

  constructor(head: string) {
    this.socket = connect(fleet.server.address.port, '127.0.0.1');
    this.socket.setEncoding('latin1').on('error', () => undefined);
    this.socket.on('data', (text) => {
      this.received += text;
    });
    this.closed = new Promise((resolve) => this.socket.once('close', resolve));
    this.socket.write(`POST /invoke/fn1 HTTP/1.1\r\nHost: localhost\r\n${head}\r\n\r\n`);
  }

  send(bytes: string | Buffer): this {
    this.socket.write(bytes);
    return this;
  }

  leave(): void {
    this.socket.destroy();
  }

  async status(): Promise<string> {
    while (!this.received.includes('\r\n')) await turn();
    return this.received.slice(9, 12);
  }
}

const turn = () => new Promise<void>((resolve) => setTimeout(resolve, 5));

async function start(options: FleetOptions = {}): Promise<void> {
  fleet = await TestFleet.start([runner], options);
}

function client(head: string): Client {
  const made = new Client(head);
  clients.push(made);
  return made;
}

/** What is held for calls whose bodies still arrive. */
async function arriving(calls: number): Promise<void> {
  while (metrics.sum('queued') !== calls) await turn();
  // Long enough for a call to be offered that is.
  for (let turns = 0; turns < 10; turns += 1) await turn();
}

beforeEach(() => {
  metrics.reset();
  clients = [];
  runner = new FakeRunner('r1').does(async (call) => {
    await runner.readBody(call);
    call.response.writeHead(call.model.type === 'detached' ? 202 : 200, []);
    return { kind: 'finished', report: reportOf(call) };
  });
});

afterEach(async () => {
  for (const one of clients) one.leave();
  expect((await fleet.send('/invoke/fn1', { body: 'and an ordinary call' })).status).toBe(200);
  await fleet.close();
  expect([metrics.sum('queued'), metrics.sum('running'), metrics.sum('lb_replay_memory_bytes')]).toEqual([0, 0, 0]);
});

it.each`
  how           | head                          | parts
  ${'detached'} | ${'Fn-Invoke-Type: detached'} | ${['a'.repeat(1000), 'b'.repeat(1000)]}
  ${'ordinary'} | ${'Fn-Invoke-Type: sync'}     | ${['a'.repeat(1000), 'b'.repeat(1000)]}
`('an $how call with a short body is placed when the body is complete', async ({ head, parts }) => {
  await start();
  const slow = client(`${head}\r\nContent-Length: 2000`).send(parts[0]);
  await arriving(1);
  expect([runner.offered.length, slow.received]).toEqual([0, '']);
  slow.send(parts[1]);
  expect(await slow.status()).toBe(head.includes('detached') ? '202' : '200');
  expect(String(runner.bodies[0])).toBe(parts.join(''));
});

it('a call with a short chunked body is placed when the body is complete', async () => {
  await start();
  const slow = client('Transfer-Encoding: chunked').send('3\r\nabc\r\n');
  await arriving(1);
  slow.send('3\r\ndef\r\n');
  await arriving(1);
  expect(runner.offered).toHaveLength(0);
  slow.send('0\r\n\r\n');
  expect(await slow.status()).toBe('200');
  expect(String(runner.bodies[0])).toBe('abcdef');
});

it.each`
  what                                     | head                                                        | sent
  ${'part of a body'}                      | ${'Content-Length: 2000'}                                   | ${'x'.repeat(1000)}
  ${'part of the body of a detached call'} | ${'Content-Length: 2000\r\nFn-Invoke-Type: detached'}       | ${'x'.repeat(1000)}
  ${'chunks without the last one'}         | ${'Transfer-Encoding: chunked\r\nFn-Invoke-Type: detached'} | ${'3\r\nabc\r\n'}
  ${'nothing of its body'}                 | ${'Content-Length: 2000\r\nFn-Invoke-Type: detached'}       | ${''}
`('a client that disconnects after sending $what causes no placement', async ({ head, sent }) => {
  await start();
  const before = metrics.sum('canceled');
  const leaves = client(head).send(sent);
  await arriving(1);
  leaves.leave();
  while (metrics.sum('canceled') === before) await turn();
  expect([leaves.received, runner.offered.length]).toEqual(['', 0]);
});

it('the whole body of a detached call is received, on disk if needed, before its caller gets 202', async () => {
  await start({ env: { FN_REPLAY_BUFFER_BYTES: '1000', FN_REPLAY_DISK_BYTES: `${10 * 1024 * KIB}` } });
  const bytes = randomBytes(300 * KIB);
  const slow = client(`Fn-Invoke-Type: detached\r\nContent-Length: ${bytes.length}`).send(bytes.subarray(1));
  await arriving(1);
  expect([runner.offered.length, slow.received]).toEqual([0, '']);
  slow.send(bytes.subarray(0, 1));
  expect(await slow.status()).toBe('202');
  expect(runner.bodies[0]?.equals(Buffer.concat([bytes.subarray(1), bytes.subarray(0, 1)]))).toBe(true);
});

it.each`
  what                          | env                                                                 | status
  ${'the limit of one call'}    | ${{ FN_REPLAY_BUFFER_BYTES: '1000', FN_REPLAY_DISK_BYTES: '0' }}    | ${413}
  ${'the memory for all calls'} | ${{ FN_REPLAY_MEMORY_BYTES: '1000', FN_REPLAY_DISK_BYTES: '0' }}    | ${503}
  ${'the disk space'}           | ${{ FN_REPLAY_BUFFER_BYTES: '1000', FN_REPLAY_DISK_BYTES: '2000' }} | ${503}
  ${'the largest request size'} | ${{ FN_MAX_REQUEST_SIZE: '1000' }}                                  | ${413}
`(
  'a detached call whose body exceeds $what is refused with $status before its caller gets 202',
  async ({ env, status }) => {
    await start({ env });
    for (const body of [Buffer.alloc(5000), ReadableStream.from([Buffer.alloc(2500), Buffer.alloc(2500)])]) {
      const refused = await fetch(`${fleet.url}/invoke/fn1`, {
        method: 'POST',
        headers: DETACHED,
        body,
        duplex: 'half',
      } as RequestInit);
      expect(refused.status).toBe(status);
      expect(refused.headers.has('retry-after')).toBe(status === 503);
    }
    expect(runner.offered).toHaveLength(0);
  },
);

it('a longer body is streamed, with or without a known length', async () => {
  await start({ env: { FN_COMPLETE_BODY_BYTES: '1000' } });
  const known = client('Content-Length: 1001').send('x');
  const unknown = client('Transfer-Encoding: chunked').send(`3e8\r\n${'y'.repeat(1000)}\r\n`);
  while (runner.offered.length < 1) await turn();
  await turn();
  expect(runner.offered).toHaveLength(1);
  unknown.send('1\r\ny\r\n');
  while (runner.offered.length < 2) await turn();
  known.send('x'.repeat(1000));
  unknown.send('0\r\n\r\n');
  expect([await known.status(), await unknown.status()]).toEqual(['200', '200']);
});

it('a body larger than the connection buffer is received completely if it is short enough to wait for', async () => {
  await start({ env: { FN_COMPLETE_BODY_BYTES: `${300 * KIB}` } });
  const bytes = randomBytes(300 * KIB);
  const slow = client(`Content-Length: ${bytes.length}`).send(bytes.subarray(0, -1));
  await arriving(1);
  expect(runner.offered).toHaveLength(0);
  slow.send(bytes.subarray(-1));
  expect(await slow.status()).toBe('200');
  expect(runner.bodies[0]?.equals(bytes)).toBe(true);
});

it('a body is streamed if there is no memory to hold it', async () => {
  const env = { FN_COMPLETE_BODY_BYTES: `${300 * KIB}`, FN_REPLAY_MEMORY_BYTES: '1000', FN_REPLAY_DISK_BYTES: '0' };
  await start({ env });
  const bytes = randomBytes(200 * KIB);
  const slow = client(`Content-Length: ${bytes.length}`).send(bytes.subarray(0, -1));
  while (runner.offered.length === 0) await turn();
  slow.send(bytes.subarray(-1));
  expect(await slow.status()).toBe('200');
  expect(runner.bodies[0]?.equals(bytes)).toBe(true);
});

it('a balancer that closes does not wait for bodies', async () => {
  await start();
  const slow = client('Content-Length: 10').send('x');
  await arriving(1);
  await fleet.close();
  await slow.closed;
  fleet = await TestFleet.start([runner]);
});

// takes: 11 s
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { count, Deferred, ERRORS, type ErrorCode, FakeClock, MIB, RecordedMetrics } from '@fnfleet/core';
import { rawFn, type ScriptedFunction } from '@fnfleet/drivers';
import { eventually, RecordingWriter } from '@fnfleet/testing';
import { StreamBody } from './test-kit/caller-ends.js';
import { echo, type InvokeOptions, NOTHING_LEFT, outcomeOf, TestAgent } from './test-kit/test-agent.js';

const run = promisify(execFile);
const metrics = RecordedMetrics.install();
count('calls', 0);

type Behaviour = (socket: Socket, container: { readonly socketPath: string; exit(): void }) => unknown;

const OK = 'HTTP/1.1 200 OK\r\n';
const GOOD = `${OK}Content-Length: 4\r\n\r\ngood`;
const MEMORY_MB = 128;
const PATIENT_S = 30;

/** Shows the behaviour on its first request and answers all others normally. */
function onceHostile(behaviour: Behaviour): ScriptedFunction {
  let done = false;
  return rawFn((socket, container) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      // The rest of a body.
      if (!chunk.includes('POST /call')) return;
      if (done) return void socket.write(GOOD);
      done = true;
      shown.resolve();
      void behaviour(socket, container);
    });
  });
}

const says =
  (...pieces: (string | Buffer)[]): Behaviour =>
  async (socket) => {
    for (const piece of pieces) {
      socket.write(piece);
      await sleep(5);
    }
  };

const saysAndEnds =
  (bytes: string): Behaviour =>
  (socket) =>
    socket.end(bytes);

/** Writes the same text repeatedly until the connection closes. */
const endlessly =
  (first: string, again: string): Behaviour =>
  (socket) => {
    const more = () => {
      while (!socket.destroyed && socket.write(again));
    };
    socket.write(first);
    socket.on('drain', more);
    more();
  };

/** Answers well, and puts something else where its socket is. */
const replacesSocket =
  (make: (path: string) => Promise<unknown>): Behaviour =>
  async (socket, { socketPath }) => {
    const swap = join(dirname(socketPath), 'swap');
    await make(swap);
    // A directory takes the place of no socket.
    await rm(socketPath);
    await rename(swap, socketPath);
    socket.end(`${OK}Connection: close\r\nContent-Length: 4\r\n\r\ngood`);
  };

const headers = (many: number) => Array.from({ length: many }, (_, index) => `X-${index}: y\r\n`).join('');

let test: TestAgent;
/** Of the calls of the hostile function: another timeout is another container. */
let timeoutSeconds: number;
/** The hostile function has a call, and shows its behaviour. */
let shown: Deferred<void>;
let iofsPath: string;
let stranger: Server;
let visits = 0;

beforeEach(async () => {
  metrics.reset();
  timeoutSeconds = PATIENT_S;
  shown = new Deferred();
  iofsPath = await mkdtemp(join(tmpdir(), 'fnh'));
  visits = 0;
  stranger = createServer((socket) => {
    visits += 1;
    socket.on('error', () => undefined).end(`${OK}\r\nfrom elsewhere`);
  }).listen(join(iofsPath, 'stranger.sock'));
});

afterEach(async () => {
  expect(await test.leftovers(metrics)).toEqual(NOTHING_LEFT);
  expect(visits).toBe(0);
  stranger.close();
  expect((await readdir(iofsPath)).filter((name) => name !== 'stranger.sock')).toEqual([]);
  await rm(iofsPath, { recursive: true });
});

function setUp(behaviour: Behaviour, clock?: FakeClock): void {
  const settings = { maxResponseBytes: MIB, maxResponseHeaderBytes: 64 * 1024 };
  const functions = { hostile: onceHostile(behaviour), echo };
  test = new TestAgent(functions, { settings, iofsPath, ...(clock && { clock }) });
}

/** What a call ended with, and what its caller has seen of an answer. */
async function hostileCall(options: InvokeOptions = {}, whileIt?: (writer: RecordingWriter) => Promise<void>) {
  const writer = new RecordingWriter();
  const { done } = await test.invoke({ image: 'hostile', writer, timeoutSeconds, ...options });
  await whileIt?.(writer);
  return { outcome: await outcomeOf(done), seen: writer.body.toString('latin1', 0, 20) };
}

/** The time of the call is over as soon as its caller has seen this. */
function timesOutAfter(seen: string, clock: FakeClock) {
  return async (writer: RecordingWriter) => {
    await shown.promise;
    while (writer.body.length < seen.length) await sleep(5);
    await clock.advance(timeoutSeconds * 1_000);
  };
}

/** The same function and another are served, and no more is held than one container for each. */
async function allIsWell(kept: boolean): Promise<void> {
  expect((await test.answer({ body: 'and you?' })).body.toString()).toBe('and you?');
  expect((await test.answer({ image: 'hostile', timeoutSeconds })).body.toString()).toBe('good');
  while (test.driver.counters.live > 2) await sleep(5);
  expect(test.driver.counters.created).toBe(kept ? 2 : 3);
  expect(test.agent.utilization.memoryUsedBytes).toBe(2 * MEMORY_MB * MIB);
  for (const { connections } of test.driver.containers) expect(connections).toBeLessThanOrEqual(1);
  // On a slow disk one may be removed in the background.
  await eventually(async () => {
    const homes = (await readdir(iofsPath)).filter((name) => name !== 'stranger.sock');
    const made = await Promise.all(homes.map((home) => readdir(join(iofsPath, home))));
    expect(made.flat().filter((name) => name.startsWith('iofs'))).toHaveLength(2);
  });
  expect(metrics.sum('queued') + metrics.sum('running')).toBe(0);
}

it.each`
  what                                          | behaviour                                                                                  | outcome                           | seen              | kept
  ${'something that is not HTTP'}               | ${says('this is not HTTP\r\n\r\n')}                                                        | ${'functionResponse'}             | ${''}             | ${false}
  ${'another protocol'}                         | ${says('HTTP/2 200 OK\r\n\r\n')}                                                           | ${'functionResponse'}             | ${''}             | ${false}
  ${'zeros'}                                    | ${says(Buffer.alloc(1000))}                                                                | ${'functionResponse'}             | ${''}             | ${false}
  ${'no status'}                                | ${says('HTTP/1.1 OK\r\n\r\n')}                                                             | ${'functionResponse'}             | ${''}             | ${false}
  ${'a status of four digits'}                  | ${says('HTTP/1.1 2000 OK\r\n\r\n')}                                                        | ${'functionResponse'}             | ${''}             | ${false}
  ${'more than one Content-Length'}             | ${says(`${OK}Content-Length: 4\r\nContent-Length: 9\r\n\r\ngood`)}                         | ${'functionResponse'}             | ${''}             | ${false}
  ${'the same Content-Length twice'}            | ${says(`${OK}Content-Length: 4\r\nContent-Length: 4\r\n\r\ngood`)}                         | ${'functionResponse'}             | ${''}             | ${false}
  ${'two lengths in one Content-Length'}        | ${says(`${OK}Content-Length: 4, 4\r\n\r\ngood`)}                                           | ${'functionResponse'}             | ${''}             | ${false}
  ${'a negative Content-Length'}                | ${says(`${OK}Content-Length: -1\r\n\r\ngood`)}                                             | ${'functionResponse'}             | ${''}             | ${false}
  ${'a Content-Length of 30 digits'}            | ${says(`${OK}Content-Length: ${'9'.repeat(30)}\r\n\r\ngood`)}                              | ${'functionResponse'}             | ${''}             | ${false}
  ${'a Content-Length with a chunked body'}     | ${says(`${OK}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)}           | ${'functionResponse'}             | ${''}             | ${false}
  ${'an unknown transfer encoding'}             | ${says(`${OK}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`)}                          | ${'functionResponse'}             | ${''}             | ${false}
  ${'chunked twice'}                            | ${says(`${OK}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)}  | ${'functionResponse'}             | ${''}             | ${false}
  ${'a folded header'}                          | ${says(`${OK}X-A: b\r\n c\r\nContent-Length: 4\r\n\r\ngood`)}                              | ${'functionResponse'}             | ${''}             | ${false}
  ${'a space before the colon'}                 | ${says(`${OK}Content-Length : 4\r\n\r\ngood`)}                                             | ${'functionResponse'}             | ${''}             | ${false}
  ${'a header with an empty name'}              | ${says(`${OK}: b\r\n\r\n`)}                                                                | ${'functionResponse'}             | ${''}             | ${false}
  ${'a bare line feed'}                         | ${says(`${OK}X-A: b\nX-C: d\r\nContent-Length: 4\r\n\r\ngood`)}                            | ${'functionResponse'}             | ${''}             | ${false}
  ${'a zero byte in a header'}                  | ${says(`${OK}X-A: b\0c\r\nContent-Length: 4\r\n\r\ngood`)}                                 | ${'functionResponse'}             | ${''}             | ${false}
  ${'a head that is never completed'}           | ${says(`${OK}X-A: b\r\n`)}                                                                 | ${'callTimeout'}                  | ${''}             | ${false}
  ${'an endless head'}                          | ${endlessly(OK, `X: ${'y'.repeat(1000)}\r\n`)}                                             | ${'functionResponseHeaderTooBig'} | ${''}             | ${false}
  ${'one endless header'}                       | ${endlessly(`${OK}X: `, 'y'.repeat(1000))}                                                 | ${'functionResponseHeaderTooBig'} | ${''}             | ${false}
  ${'an endless status line'}                   | ${endlessly('HTTP/1.1 200 ', 'y'.repeat(1000))}                                            | ${'functionResponseHeaderTooBig'} | ${''}             | ${false}
  ${'a head of 70 kB in one piece'}             | ${says(`${OK}X: ${'y'.repeat(70_000)}\r\n\r\n`)}                                           | ${'functionResponseHeaderTooBig'} | ${''}             | ${false}
  ${'2 000 headers'}                            | ${says(`${OK}${headers(2_000)}\r\n`)}                                                      | ${'functionResponseHeaderTooBig'} | ${''}             | ${false}
  ${'too many informational responses'}         | ${endlessly('', 'HTTP/1.1 103 Early Hints\r\n\r\n')}                                       | ${'functionResponse'}             | ${''}             | ${false}
  ${'an unsolicited 100 Continue'}              | ${says('HTTP/1.1 100 Continue\r\n\r\n', GOOD)}                                             | ${'functionResponse'}             | ${''}             | ${false}
  ${'an upgrade'}                               | ${says('HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n')}             | ${'functionResponse'}             | ${''}             | ${false}
  ${'a chunk size that is not a number'}        | ${says(`${OK}Transfer-Encoding: chunked\r\n\r\nxyz\r\n`)}                                  | ${'functionResponse'}             | ${''}             | ${false}
  ${'a negative chunk size'}                    | ${says(`${OK}Transfer-Encoding: chunked\r\n\r\n-4\r\ngood\r\n`)}                           | ${'functionResponse'}             | ${''}             | ${false}
  ${'a chunk size of 20 digits'}                | ${says(`${OK}Transfer-Encoding: chunked\r\n\r\n${'f'.repeat(20)}\r\n`)}                    | ${'functionResponse'}             | ${''}             | ${false}
  ${'an endless chunk size'}                    | ${endlessly(`${OK}Transfer-Encoding: chunked\r\n\r\n`, '0'.repeat(1000))}                  | ${'functionResponse'}             | ${''}             | ${false}
  ${'an endless chunk extension'}               | ${endlessly(`${OK}Transfer-Encoding: chunked\r\n\r\n4;`, 'x'.repeat(1000))}                | ${'functionResponse'}             | ${''}             | ${false}
  ${'a chunk longer than its size'}             | ${says(`${OK}Transfer-Encoding: chunked\r\n\r\n4\r\ngoods\r\n0\r\n\r\n`)}                  | ${'functionResponse'}             | ${'good'}         | ${false}
  ${'endless trailers'}                         | ${endlessly(`${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n`, `X: ${'y'.repeat(1000)}\r\n`)} | ${'functionResponseHeaderTooBig'} | ${''}             | ${false}
  ${'a body that is never completed'}           | ${says(`${OK}Content-Length: 9\r\n\r\ngood`)}                                              | ${'callTimeout'}                  | ${'good'}         | ${false}
  ${'an endless body'}                          | ${endlessly(`${OK}\r\n`, 'y'.repeat(1000))}                                                | ${'functionResponseTooBig'}       | ${'y'.repeat(20)} | ${true}
  ${'endless chunks'}                           | ${endlessly(`${OK}Transfer-Encoding: chunked\r\n\r\n`, `10\r\n${'y'.repeat(16)}\r\n`)}     | ${'functionResponseTooBig'}       | ${'y'.repeat(20)} | ${true}
  ${'a Content-Length over the limit'}          | ${endlessly(`${OK}Content-Length: ${2 * MIB}\r\n\r\n`, 'y'.repeat(1000))}                  | ${'functionResponseTooBig'}       | ${''}             | ${true}
  ${'a body shorter than its Content-Length'}   | ${saysAndEnds(`${OK}Content-Length: 9\r\n\r\ngood`)}                                       | ${'functionResponseTruncated'}    | ${'good'}         | ${true}
  ${'a body longer than its Content-Length'}    | ${says(`${OK}Content-Length: 4\r\n\r\ngood and more`)}                                     | ${'ok'}                           | ${'good'}         | ${true}
  ${'a second response after the first'}        | ${says(`${GOOD}${OK}Content-Length: 4\r\n\r\nevil`)}                                       | ${'ok'}                           | ${'good'}         | ${true}
  ${'a response that ends with the connection'} | ${saysAndEnds(`${OK}\r\ngood`)}                                                            | ${'ok'}                           | ${'good'}         | ${true}
  ${'a line break after the response'}          | ${says(`${GOOD}\r\n`)}                                                                     | ${'ok'}                           | ${'good'}         | ${true}
  ${'a closed connection'}                      | ${(socket: Socket) => socket.end()}                                                        | ${'functionResponse'}             | ${''}             | ${false}
  ${'half a head'}                              | ${saysAndEnds('HTTP/1.1 200 O')}                                                           | ${'functionResponse'}             | ${''}             | ${false}
  ${'a reset'}                                  | ${(socket: Socket) => socket.destroy()}                                                    | ${'functionResponse'}             | ${''}             | ${false}
  ${'nothing at all'}                           | ${() => undefined}                                                                         | ${'callTimeout'}                  | ${''}             | ${false}
`('a function that answers with $what: $outcome', async ({ behaviour, outcome, seen, kept }) => {
  const clock = outcome === 'callTimeout' ? new FakeClock() : undefined;
  setUp(behaviour, clock);
  expect(await hostileCall({}, clock && timesOutAfter(seen, clock))).toEqual({ outcome, seen });
  if (outcome !== 'ok') expect(ERRORS[outcome as ErrorCode].blame).toBe('function');
  await allIsWell(kept);
});

it.each`
  what                                       | make
  ${'a link to the engine’s socket'}         | ${(path: string) => symlink('/var/run/docker.sock', path)}
  ${'a link to a socket of another process'} | ${(path: string) => symlink('../../stranger.sock', path)}
  ${'a pipe'}                                | ${(path: string) => run('mkfifo', [path])}
  ${'a file'}                                | ${(path: string) => writeFile(path, 'x')}
  ${'a directory'}                           | ${(path: string) => mkdir(path)}
  ${'a link to itself'}                      | ${(path: string) => symlink('lsnr.sock', path)}
`('a function that replaces its socket with $what gets no further calls', async ({ make }) => {
  setUp(replacesSocket(make));
  expect(await hostileCall()).toEqual({ outcome: 'ok', seen: 'good' });
  // The runner has to dial again: it finds that out before it sends anything, and has another container serve the call.
  expect(await hostileCall()).toEqual({ outcome: 'ok', seen: 'good' });
  await allIsWell(false);
});

it('bytes that a function sends without a call reach no caller', async () => {
  let connections = 0;
  test = new TestAgent(
    {
      hostile: rawFn((socket) => {
        connections += 1;
        socket.on('error', () => undefined);
        socket.on('data', () => {
          socket.write(GOOD);
          if (connections === 1) setTimeout(() => socket.write(`${OK}Content-Length: 4\r\n\r\nevil`), 20);
        });
      }),
      echo,
    },
    { iofsPath },
  );
  expect((await hostileCall()).seen).toBe('good');
  while ((test.driver.containers[0]?.connections ?? 0) > 0) await sleep(5);
  await allIsWell(true);
  expect(connections).toBe(2);
});

it.each`
  what                                              | behaviour                               | outcome
  ${'responds before it has read the request'}      | ${says(GOOD)}                           | ${'functionPrematureWrite'}
  ${'closes the connection during the request'}     | ${(socket: Socket) => socket.destroy()} | ${'functionWriteRequest'}
  ${'sends garbage before it has read the request'} | ${says('nonsense\r\n\r\n')}             | ${'functionResponse'}
`('a function that $what: $outcome', async ({ behaviour, outcome }) => {
  setUp(behaviour);
  const body = new StreamBody();
  body.source.write('half of it');
  expect(await hostileCall({ body })).toEqual({ outcome, seen: '' });
  expect(body.discarded).toBe(true);
  await allIsWell(outcome === 'functionPrematureWrite');
});

it('a function that exits during its response', async () => {
  setUp((socket, container) => {
    socket.write(`${OK}Content-Length: 9\r\n\r\ngood`, () => container.exit());
  });
  expect(await hostileCall()).toEqual({ outcome: 'functionResponseTruncated', seen: 'good' });
  await allIsWell(false);
});

it('a function that reads nothing of a long request makes the runner hold no more than the socket buffer', async () => {
  timeoutSeconds = 1;
  setUp((socket) => socket.pause());
  const body = new StreamBody();
  let sent = 0;
  const feed = () => {
    while (sent < 1_000 && body.source.write(Buffer.alloc(64 * 1024))) sent += 1;
  };
  body.source.on('drain', feed);
  feed();
  expect((await hostileCall({ body })).outcome).toBe('callTimeout');
  expect(sent).toBeLessThan(100);
  await allIsWell(false);
});

// takes: 4 s
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { Deferred, encodeFrames, FnError, MIB, systemClock } from '@fnfleet/core';
import { HeldBodies } from '@fnfleet/http';
import { type CallResult, type Lease, type MessageQueue, openSqliteQueue } from '@fnfleet/queue';
import { queueHandlers } from './queue-handlers.js';

let queue: MessageQueue;
let server: Server;
/** The end of a call is reported to the queue when this resolves. */
let mayComplete: Promise<void>;
/** Resolves when the queue is asked to complete a call. */
let completing: Deferred<void>;
let handled: Deferred<unknown>;

beforeEach(async () => {
  mayComplete = Promise.resolve();
  completing = new Deferred();
  handled = new Deferred();
  queue = await openSqliteQueue({ path: ':memory:', bounds: { maxBodyBytes: 12 * MIB } });
  const complete = async (lease: Lease, result: CallResult) => {
    completing.resolve();
    await mayComplete;
    return queue.complete(lease, result);
  };
  const opened: MessageQueue = Object.assign(Object.create(queue), { complete });
  const held = () => new HeldBodies({ maxBytes: 64 * MIB, clock: systemClock });
  const handlers = queueHandlers(
    {
      exists: true,
      open: async () => opened,
      whenOpen: async (change) => change(opened),
      forget: () => undefined,
      ending: new AbortController().signal,
    },
    { calls: held(), reservations: held(), ends: held() },
    MIB,
  );
  server = createServer((req, res) => {
    const handle = req.url === '/settle' ? handlers.settleCalls : handlers.reserveCalls;
    // Neither needs more of Express.
    Promise.resolve(handle(req as never, res as never)).then(handled.resolve, (error) => {
      handled.resolve(error);
      res.destroy();
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
});
afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await queue.close();
});

async function push(callId: string, bytes = 3): Promise<void> {
  await queue.push({ callId, fnId: 'f', head: '{}', body: Buffer.alloc(bytes, 'x') });
}

async function leaseOf(callId: string): Promise<Lease> {
  const [delivery] = await queue.reserve({ holder: 'lb', limit: 1, leaseMs: 60_000 });
  expect(delivery?.lease.callId).toBe(callId);
  return (delivery as { readonly lease: Lease }).lease;
}

const ends = ({ callId, token }: Lease) => ({ kind: 'complete', call_id: callId, token, head: '{}' });
const more = { kind: 'reserve', holder: 'lb', limit: 10, lease_ms: 3_600_000 };
const settleBody = (...said: object[]) =>
  encodeFrames(said.map((one) => ({ head: JSON.stringify(one), body: Buffer.alloc(0) })));

/** Sends a request, and reads nothing of its answer until it is asked to. */
function send(target: string, body: Buffer): Socket {
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.pause();
  socket.write(`POST ${target} HTTP/1.1\r\nHost: api\r\nContent-Length: ${body.length}\r\n\r\n`);
  socket.write(body);
  return socket;
}

/** Waits until they can be leased again, which is long before their leases expire. */
async function givenBack(...callIds: string[]): Promise<void> {
  const found: string[] = [];
  const next = () => queue.reserve({ holder: 'other', limit: 10, leaseMs: 60_000, waitMs: 10_000 });
  for (let leased = await next(); leased.length > 0; leased = found.length < callIds.length ? await next() : []) {
    found.push(...leased.map(({ lease, attempt }) => `${lease.callId} ${attempt}`));
  }
  expect(found.sort()).toEqual(callIds.map((callId) => `${callId} 1`));
}

describe('calls that were leased together with a report of ends are given back', () => {
  it('when the queue refuses the ends', async () => {
    mayComplete = Promise.reject(new FnError('databaseSlow'));
    mayComplete.catch(() => undefined);
    await push('c1');
    const lease = await leaseOf('c1');
    await push('c2');
    await push('c3');
    send('/settle', settleBody(ends(lease), more));
    expect(await handled.promise).toMatchObject({ code: 'databaseSlow' });
    await givenBack('c2', 'c3');
  });

  it('when the balancer leaves before the ends are recorded', async () => {
    const recorded = new Deferred<void>();
    mayComplete = recorded.promise;
    await push('c1');
    const lease = await leaseOf('c1');
    await push('c2');
    const left = once(server, 'connection').then(([socket]) => once(socket as Socket, 'close'));
    const socket = send('/settle', settleBody(ends(lease), more));
    await completing.promise;
    while ((await queue.get('c2'))?.state !== 'running') await new Promise((resolve) => setTimeout(resolve, 5));
    socket.destroy();
    await left;
    recorded.resolve();
    await givenBack('c2');
    expect((await queue.get('c1'))?.state).toBe('success');
  });
});

it.each`
  what                                    | target        | body
  ${'a reservation'}                      | ${'/reserve'} | ${Buffer.from(JSON.stringify(more))}
  ${'a report of ends and a reservation'} | ${'/settle'}  | ${settleBody(more)}
`('the call in an answer to $what that is not read to its end is given back', async ({ target, body }) => {
  // More than the kernel keeps for a connection.
  await push('c1', 12 * MIB);
  const socket = send(target, body);
  await handled.promise;
  expect((await queue.get('c1'))?.state).toBe('running');
  socket.destroy();
  await givenBack('c1');
});

// takes: 14 s
import { once } from 'node:events';
import { connect } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { MIB } from '@fnfleet/core';
import { fn } from '@fnfleet/drivers';
import { newGrpcRunner } from '@fnfleet/placement';
import {
  dataFrame,
  eventually,
  grpcMessage,
  grpcRequest,
  headersFrame,
  literalHeaders,
  RawConnection,
  resetFrame,
} from '@fnfleet/testing';
import { TestFleet } from '../../packages/lb-agent/dist/test-kit/test-fleet.js';
import { TestRunner } from '../../packages/pure-runner/dist/test-kit/test-runner.js';

/**
 * A balancer and three runners in one process, with everything between them that is real but containers: what a single stranger
 * does to their ports takes no runner out of use.
 */

const ANSWER_BYTES = 6 * MIB;
const QUERY = 'x'.repeat(500_000);

let runners: TestRunner[];
let fleet: TestFleet;

beforeEach(async () => {
  const cart = fn(async (req, res) => {
    const body = await buffer(req);
    res.end(body.toString() === 'big' ? Buffer.alloc(ANSWER_BYTES, 'x') : 'ok');
  });
  runners = await Promise.all(
    Array.from({ length: 3 }, () => TestRunner.start({ functions: { 'shop/cart:1': cart }, memoryMb: 8192 })),
  );
  fleet = await TestFleet.start([], {
    env: {
      FN_RUNNER_ADDRESSES: runners.map(({ runner }) => `127.0.0.1:${runner.address.port}`).join(','),
      FN_MAX_REQUEST_HEADER_SIZE: String(512 * 1024),
    },
    pool: undefined,
    placer: undefined,
    createRunner: (address, options) => newGrpcRunner(address, options),
  });
});

afterEach(async () => {
  try {
    await servesOn();
  } finally {
    await fleet.close();
    for (const runner of runners) await runner.close();
  }
});

/** Twelve ordinary calls, three runners in use, and nothing in hand. */
async function servesOn(): Promise<void> {
  for (const answer of await Promise.all(Array.from({ length: 12 }, () => fleet.send('/invoke/fn1', { body: 'x' })))) {
    expect(answer).toMatchObject({ status: 200, body: 'ok' });
  }
  await fleet.server.agent.askRunners(5_000);
  await eventually(() => {
    const { inFlight, waiting, runners: lines } = fleet.server.agent.fleetStatus() ?? {};
    expect([inFlight, waiting, lines?.map(({ state }) => state)]).toEqual([0, 0, ['ok', 'ok', 'ok']]);
  });
}

/** Asks, and leaves when this has come to pass. */
async function leave(head: string, after: 'asking' | 'the first bytes'): Promise<void> {
  const socket = connect(fleet.server.address.port, '127.0.0.1');
  socket.on('error', () => undefined);
  const closed = once(socket, 'close');
  socket.write(head);
  if (after === 'asking') socket.destroySoon();
  else {
    await once(socket, 'data');
    socket.resetAndDestroy();
  }
  await closed;
}

/** So many at a time. */
async function crowd(count: number, atOnce: number, one: () => Promise<void>): Promise<void> {
  let left = count;
  const worker = async () => {
    for (; left > 0; left -= 1) await one();
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

it('A1: 200 callers with half a megabyte of query, who leave at once', async () => {
  const head = `GET /t/shop/hot?${QUERY} HTTP/1.1\r\nHost: shop\r\n\r\n`;
  await crowd(200, 4, () => leave(head, 'asking'));
});

it('A1: the same, who leave in the middle of their uploads', async () => {
  const head = `POST /t/shop/hot?${QUERY} HTTP/1.1\r\nHost: shop\r\nContent-Length: 9000000\r\n\r\n${QUERY}`;
  await crowd(80, 4, () => leave(head, 'asking'));
});

it('A2: 120 callers who leave an answer of 6 MB after its first bytes', async () => {
  await crowd(120, 12, () =>
    leave('POST /invoke/fn1 HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\n\r\nbig', 'the first bytes'),
  );
});

it('A2: 40 callers who take nothing of an answer of 6 MB, and leave after the others', async () => {
  const sockets = Array.from({ length: 40 }, () => connect(fleet.server.address.port, '127.0.0.1').pause());
  for (const socket of sockets) {
    socket.on('error', () => undefined);
    socket.write('POST /invoke/fn1 HTTP/1.1\r\nHost: shop\r\nContent-Length: 3\r\n\r\nbig');
  }
  await eventually(() => expect(fleet.server.agent.fleetStatus()?.inFlight).toBe(40));
  for (let index = 0; index < 12; index += 1) expect((await fleet.send('/invoke/fn1', { body: 'x' })).status).toBe(200);
  for (const socket of sockets) socket.destroy();
});

it('A3: 24 calls whose function has 5 MB of configuration are an error of the caller', async () => {
  const [stored] = fleet.api.contents.fns ?? [];
  const config = { BIG: 'x'.repeat(5 * MIB) };
  (fleet.api.contents.fns as unknown[])[0] = { ...stored, config };
  for (let index = 0; index < 24; index += 1) {
    const { status } = await fleet.send('/invoke/fn1', { body: 'x' });
    expect(status).toBeGreaterThanOrEqual(400);
    expect(status).toBeLessThan(500);
  }
  (fleet.api.contents.fns as unknown[])[0] = stored;
  await eventually(async () => expect((await fleet.send('/t/shop/hot', { body: 'x' })).status).toBe(200));
});

it('A7: 1 600 streams of Watch, opened and reset, at each runner: balancers hear of all', async () => {
  const empty = grpcMessage(Buffer.alloc(0));
  const head = literalHeaders(grpcRequest('/grpc.health.v1.Health/Watch'));
  for (const { runner } of runners) {
    const peer = await RawConnection.client(runner.address.port);
    for (let index = 0; index < 1_600; index += 1) {
      const id = 2 * index + 1;
      await peer.writeAll(headersFrame(id, head), dataFrame(id, empty), resetFrame(id));
    }
    peer.destroy();
  }
  await fleet.server.agent.askRunners(5_000);
  for (const { state } of fleet.server.agent.fleetStatus()?.runners ?? []) expect(state).toBe('ok');
});

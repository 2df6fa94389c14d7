import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { silentLogger, wallMs } from '@fnfleet/core';
import { createNodeApp } from '@fnfleet/http';
import type { FleetStatus } from '@fnfleet/placement';
import { type CollectorSession, StreamError } from '@fnfleet/protocol';
import { eventually } from '@fnfleet/testing';
import { RunnerLogs } from './runner-logs.js';

const FLEET = { runners: [{ address: 'r1:9190' }, { address: 'r2:9190' }] } as unknown as FleetStatus;
const LINE = {
  at: wallMs(1_700_000_000_000),
  source: 'stderr',
  text: Buffer.from([0x68, 0xff, 0x1b]),
  callId: 'c1',
  fnId: 'f1',
  appId: 'a1',
  containerId: 'k1',
} as const;

let server: Server;
let logs: RunnerLogs;
let sessions: CollectorSession[];
let play: (session: CollectorSession) => Promise<void>;
let fleet: () => Promise<FleetStatus>;

beforeEach(async () => {
  sessions = [];
  fleet = async () => FLEET;
  logs = new RunnerLogs({
    tls: undefined,
    collect: (session) => {
      sessions.push(session);
      return play(session);
    },
  });
  const app = createNodeApp({
    routes: [logs.route({ fleet: () => fleet() })],
    settings: {},
    logger: silentLogger,
  });
  server = createServer(app);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const urlOf = (address: string, query = 'fn_id=f1&follow=true&tail=5&secret=x') =>
  `http://127.0.0.1:${(server.address() as AddressInfo).port}/fleet/runners/${encodeURIComponent(address)}/logs?${query}`;
const connections = () => new Promise<number>((resolve) => server.getConnections((_, count) => resolve(count)));
const untilAborted = ({ signal }: CollectorSession) =>
  new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));

it('passes on the lines of a runner byte for byte, and requests only what the operator asked for', async () => {
  play = async ({ onOpen, onBatch }) => {
    onOpen?.();
    await onBatch({ dropped: 2, lines: [LINE] });
  };
  const response = await fetch(urlOf('r1:9190'));
  const [line = '', end] = (await response.text()).split('\n');
  expect([response.status, end]).toEqual([200, '']);
  expect(JSON.parse(line)).toEqual({
    dropped: 2,
    lines: [
      {
        at_ms: 1_700_000_000_000,
        source: 'stderr',
        text: LINE.text.toString('base64'),
        call_id: 'c1',
        fn_id: 'f1',
        app_id: 'a1',
        container_id: 'k1',
      },
    ],
  });
  expect(sessions).toMatchObject([{ address: 'r1:9190', config: { fn_id: 'f1', follow: 'true', tail: '5' } }]);
  expect(sessions[0]?.config).not.toHaveProperty('secret');
});

it('connects only to runners of the pool', async () => {
  play = async () => undefined;
  const response = await fetch(urlOf('169.254.169.254:80'));
  expect([response.status, sessions]).toEqual([404, []]);
});

it.each([
  ['before the head', false, 502],
  ['after the head', true, 200],
])('reports an error %s', async (_when, opens, status) => {
  play = async ({ onOpen }) => {
    if (opens) onOpen?.();
    throw new StreamError(14, 'it is away');
  };
  const response = await fetch(urlOf('r1:9190'));
  expect(response.status).toBe(status);
  expect(await response.text()).toContain('gRPC status 14: it is away');
});

it('a reader that disconnects ends the session, and so does a balancer that stops', async () => {
  let ended = 0;
  play = async (session) => {
    session.onOpen?.();
    await untilAborted(session);
    ended += 1;
  };
  const leaving = new AbortController();
  await fetch(urlOf('r1:9190'), { signal: leaving.signal });
  leaving.abort();
  await eventually(() => expect(ended).toBe(1));
  const response = await fetch(urlOf('r2:9190'));
  logs.close();
  expect(await response.text()).toBe('');
  expect(ended).toBe(2);
});

it('a reader that disconnects while the processes of a balancer are queried does not count as a concurrent reader', async () => {
  const asked: ((status: FleetStatus) => void)[] = [];
  fleet = () => new Promise((resolve) => asked.push(resolve));
  play = untilAborted;
  const leaving = new AbortController();
  const left = Promise.all(
    Array.from({ length: 64 }, () => fetch(urlOf('r1:9190'), { signal: leaving.signal }).catch(() => undefined)),
  );
  await eventually(() => expect(asked).toHaveLength(64));
  leaving.abort();
  await left;
  await eventually(async () => expect(await connections()).toBe(0));
  for (const answer of asked) answer(FLEET);
  await new Promise(setImmediate);
  fleet = async () => FLEET;
  play = async ({ onOpen }) => onOpen?.();
  expect((await fetch(urlOf('r1:9190'))).status).toBe(200);
  expect(sessions).toHaveLength(1);
});

it('limits concurrent readers, and accepts another when one disconnects', async () => {
  play = async (session) => {
    session.onOpen?.();
    await untilAborted(session);
  };
  await Promise.all(Array.from({ length: 64 }, () => fetch(urlOf('r1:9190'))));
  const refused = await fetch(urlOf('r1:9190'));
  expect([refused.status, await refused.text()]).toEqual([
    503,
    expect.stringContaining('Too many clients are following'),
  ]);
  logs.close();
  await eventually(async () => expect((await fetch(urlOf('r1:9190'))).status).toBe(200));
});

it('a slow reader applies backpressure to its runner', async () => {
  let sent = 0;
  const batch = { dropped: 0, lines: [{ ...LINE, text: Buffer.alloc(1_000_000) }] };
  play = async ({ onBatch, signal }) => {
    for (; sent < 100 && !signal.aborted; sent += 1) await onBatch(batch);
  };
  const { request } = await import('node:http');
  const response = await new Promise<IncomingMessage>((resolve) => request(urlOf('r1:9190'), resolve).end());
  response.pause();
  await eventually(() => expect(sent).toBeGreaterThan(0));
  await new Promise((later) => setTimeout(later, 200));
  expect(sent).toBeLessThan(50);
  response.destroy();
});

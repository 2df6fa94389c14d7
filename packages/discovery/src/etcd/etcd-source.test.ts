import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FakeClock, silentLogger } from '@fnfleet/core';
import { eventually } from '@fnfleet/testing';
import type { MembershipSource } from '../membership.js';
import { parsePoolUrl } from '../pool-url.js';
import { Reports } from '../test-kit/reports.js';
import { base64 } from './etcd-client.js';
import { newEtcdSource } from './etcd-source.js';
import { parseEtcdUrl } from './etcd-url.js';

/** The longest pause between two watches, milliseconds. */
const PAUSE_MS = 500;

let clock: FakeClock;
let server: Server;
let source: MembershipSource;
let reports: Reports;
/** Current entries: name → address. */
let stored: Record<string, string>;
/** How often the whole list was read. */
let reads: number;
/** Status with which the member answers health checks. */
let checkStatus: number;
/** Revisions from which was watched. */
let watchedFrom: string[];
/** The current watch. */
let watch: ServerResponse;

const pair = (name: string, address = '') => ({ key: base64(`/runners/${name}`), value: base64(address) });
const put = (name: string, address: string) => ({ type: 'PUT', kv: pair(name, address) });
const says = (line: object) => void watch.write(`${JSON.stringify(line)}\n`);
const watching = (times = 1) => eventually(() => expect(watchedFrom).toHaveLength(times));

beforeEach(async () => {
  clock = new FakeClock();
  stored = { a: 'a:9190' };
  reads = 0;
  checkStatus = 200;
  watchedFrom = [];
  reports = new Reports();
  server = createServer(async (req, res) => {
    const body = JSON.parse((await req.toArray()).join(''));
    if (req.url === '/v3/watch') {
      watchedFrom.push(body.create_request.start_revision);
      watch = res;
      res.writeHead(200).flushHeaders();
    } else if (body.count_only) {
      res.writeHead(checkStatus).end('{}');
    } else {
      reads += 1;
      const kvs = Object.entries(stored).map(([name, address]) => pair(name, address));
      res.end(JSON.stringify({ header: { revision: String(reads) }, kvs }));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const place = parseEtcdUrl(parsePoolUrl(`etcd://127.0.0.1:${(server.address() as AddressInfo).port}/runners`));
  source = newEtcdSource(place, { clock, random: () => 1, logger: silentLogger });
  source.start(reports);
  await reports.listed('a:9190');
  await watching();
});
afterEach(async () => {
  await source.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  expect(clock.pendingTimers).toBe(0);
});

it('applies events of the watch to the list; events that change nothing are not reported', async () => {
  expect(watchedFrom).toEqual(['2']);
  says({ result: { events: [put('b', 'b:9190'), put('a', 'c:9190')] } });
  await reports.listed('b:9190', 'c:9190');
  says({ result: {} });
  says({ result: { events: [] } });
  says({ result: { events: [{ type: 'DELETE', kv: { key: pair('b').key } }] } });
  await reports.listed('c:9190');
  expect([reports.all.length, reads]).toEqual([3, 1]);
});

it.each`
  what              | line                                                                  | failure
  ${'fails'}        | ${{ error: { message: 'no leader' } }}                                | ${'the watch failed: no leader'}
  ${'is cancelled'} | ${{ result: { canceled: true, cancel_reason: 'permission denied' } }} | ${'the watch was cancelled: permission denied'}
  ${'ends'}         | ${undefined}                                                          | ${'the watch ended'}
`('a watch that $what soon is a failure, and everything is read again after a pause', async ({ line, failure }) => {
  stored = { a: 'a:9190', b: 'b:9190' };
  if (line) says(line);
  else watch.end();
  expect(await reports.failed()).toBe(failure);
  await clock.advance(PAUSE_MS - 1);
  expect(reads).toBe(1);
  await clock.advance(1);
  await reports.listed('a:9190', 'b:9190');
  await watching(2);
});

it('a watch that has lasted may end: that is no failure, and everything is read again after a short pause', async () => {
  await clock.advance(5_000);
  stored = { b: 'b:9190' };
  watch.end();
  await eventually(async () => {
    await clock.advance(PAUSE_MS / 10);
    expect(reads).toBe(2);
  });
  await reports.listed('b:9190');
  await watching(2);
  expect(reports.all.some((report) => report instanceof Error)).toBe(false);
});

it('when the revision was compacted, everything is read again at once', async () => {
  stored = { b: 'b:9190' };
  says({ result: { compact_revision: '7', canceled: true } });
  await reports.listed('b:9190');
  await watching(2);
  expect([watchedFrom, reports.all.length]).toEqual([['2', '3'], 2]);
});

it('leaves a member that no longer answers although its watch is open', async () => {
  await clock.advance(10_000);
  await new Promise(setImmediate);
  expect([reads, watchedFrom.length]).toEqual([1, 1]);
  checkStatus = 503;
  stored = { b: 'b:9190' };
  await eventually(async () => {
    await clock.advance(1_000);
    expect(reads).toBe(2);
  });
  await reports.listed('b:9190');
});

// needs: etcd
// takes: 14 s
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FakeClock, silentLogger } from '@fnfleet/core';
import { EtcdServer, eventually, freePort } from '@fnfleet/testing';
import { parsePoolUrl } from '../pool-url.js';
import { Reports } from '../test-kit/reports.js';
import { EtcdRegistration } from './etcd-registration.js';
import { newEtcdSource } from './etcd-source.js';
import { parseEtcdUrl } from './etcd-url.js';

const PREFIX = '/fleet/runners/';

let etcd: EtcdServer;
let clock: FakeClock;
let reports: Reports;
let closing: (() => Promise<unknown>)[];

beforeAll(async () => {
  etcd = await EtcdServer.start();
});
afterAll(() => etcd.close());
beforeEach(() => {
  clock = new FakeClock();
  closing = [];
});
afterEach(async () => {
  for (const close of closing.reverse()) await close();
  for (const key of Object.keys(await etcd.read(PREFIX))) await etcd.delete(key);
  expect(clock.pendingTimers).toBe(0);
});

const place = (authority = etcd.address) => parseEtcdUrl(parsePoolUrl(`etcd://${authority}${PREFIX}`));

function look(authority?: string): void {
  reports = new Reports();
  const source = newEtcdSource(place(authority), { clock, random: () => 1, logger: silentLogger });
  source.start(reports);
  closing.push(() => source.close());
}

function register(address: string, ttlS = 9): EtcdRegistration {
  const registration = new EtcdRegistration({
    place: place(),
    address,
    ttlS,
    clock,
    random: () => 1,
    logger: silentLogger,
  });
  registration.start();
  closing.push(() => registration.close());
  return registration;
}

const put = (name: string, value: string) => etcd.put(`${PREFIX}${name}`, value);

describe('the etcd pool', () => {
  it('sees current runners, those that join and those that leave, including the last one', async () => {
    await put('b', 'b:9190');
    await put('a', '[::1]:9190');
    await etcd.put('/fleet/runnersup', 'no:1');
    look();
    expect(await reports.next()).toEqual(['[::1]:9190', 'b:9190']);
    await put('c', 'c:9190');
    await reports.listed('[::1]:9190', 'b:9190', 'c:9190');
    await put('c', 'd:9190');
    await reports.listed('[::1]:9190', 'b:9190', 'd:9190');
    for (const name of ['a', 'b', 'c']) await etcd.delete(`${PREFIX}${name}`);
    await reports.listed();
  });

  it('reports when nobody is registered, and sees the first one that comes', async () => {
    look();
    expect(await reports.failed()).toBe('no runner is registered under /fleet/runners/');
    await put('a', 'a:9190');
    await reports.listed('a:9190');
  });

  it('fails when etcd ends, and sees what happened meanwhile when it is back', async () => {
    await put('a', 'a:9190');
    look();
    await reports.listed('a:9190');
    await etcd.stop();
    await reports.failed();
    await clock.advance(500);
    expect(await reports.failed()).toContain('ECONNREFUSED');
    await etcd.restart();
    await put('b', 'b:9190');
    await clock.advance(1000);
    await reports.listed('a:9190', 'b:9190');
    await put('c', 'c:9190');
    await reports.listed('a:9190', 'b:9190', 'c:9190');
  });

  it('notices that etcd hangs, and recovers', async () => {
    await put('a', 'a:9190');
    look();
    await reports.listed('a:9190');
    etcd.freeze();
    try {
      await clock.advance(10_000); // it is asked
      await clock.advance(5000); // and does not answer
      await untilTimers(1); // the next look begins after a rest
      await clock.advance(500);
      await untilTimers(1);
      await clock.advance(5000);
      expect(await reports.failed()).toBe(`http://${etcd.address}: no response within 5000 ms`);
    } finally {
      etcd.thaw();
    }
    await clock.advance(500);
    await reports.listed('a:9190');
  });

  it('reads everything again when its revision was compacted', async () => {
    await put('a', 'a:9190');
    // Between the read and the watch somebody writes and compacts.
    const front = await startFront(async () => {
      await put('b', 'b:9190');
      await put('b', 'b:9190');
      const { header } = await etcd.call<{ header: { revision: string } }>('/v3/kv/range', { key: 'AA==' });
      await etcd.call('/v3/kv/compaction', { revision: header.revision });
    });
    look(front);
    await reports.listed('a:9190');
    await reports.listed('a:9190', 'b:9190');
    expect(reports.all.every((report) => !(report instanceof Error))).toBe(true);
  });

  it('goes to another member when one is down', async () => {
    await put('a', 'a:9190');
    look(`127.0.0.1:${await freePort()},${etcd.address}`);
    await reports.listed('a:9190');
  });

  it('reports a server that is not etcd', async () => {
    const other = createServer((_req, res) => res.end('<html>hello</html>'));
    look(await listening(other));
    expect(await reports.failed()).toMatch(/did not return JSON: <html>hello/);
    const empty = createServer((_req, res) => res.end('{}'));
    look(await listening(empty));
    expect(await reports.failed()).toBe('the server is not etcd');
    const absent = createServer((_req, res) => res.writeHead(404).end('404 page not found\n'));
    look(await listening(absent));
    expect(await reports.failed()).toMatch(/^http:\/\/127.0.0.1:\d+ answers 404: 404 page not found$/);
  });

  it('logs in as a user, and again when its token has expired; a wrong password is reported', async () => {
    const locked = await EtcdServer.start();
    closing.push(() => locked.close());
    await locked.put(`${PREFIX}a`, 'a:9190');
    const root = { name: 'root', password: 'open: sesame' };
    await locked.call('/v3/auth/user/add', root);
    await locked.call('/v3/auth/user/grant', { user: 'root', role: 'root' }).catch(() => undefined);
    await locked.call('/v3/auth/role/add', { name: 'root' }).catch(() => undefined);
    await locked.call('/v3/auth/user/grant', { user: 'root', role: 'root' });
    await locked.call('/v3/auth/enable', {});

    look(`root:open%3A%20sesame@${locked.address}`);
    await reports.listed('a:9190');
    await locked.restart(); // which forgets tokens
    await reports.failed();
    const { token } = await locked.call<{ token: string }>('/v3/auth/authenticate', root);
    await locked.call('/v3/kv/put', { key: b64(`${PREFIX}b`), value: b64('b:9190') }, token);
    await clock.advance(500);
    await reports.listed('a:9190', 'b:9190');

    look(`root:wrong@${locked.address}`);
    expect(await reports.failed()).toMatch(/answers 400: etcdserver: authentication failed/);
    look(locked.address);
    expect(await reports.failed()).toMatch(/answers 400: etcdserver: user name is empty/);
  });
});

describe('a registered runner', () => {
  it('is seen by a balancer, and gone as soon as it withdraws', async () => {
    look();
    const registration = register('a:9190');
    await reports.listed('a:9190');
    await registration.close();
    await registration.close();
    await reports.listed();
    expect(await etcd.read(PREFIX)).toEqual({});
  });

  it('R1, R2: keeps its entry beyond the time of a lease, and is gone after that time when it is killed', async () => {
    const registration = register('a:9190', 3);
    await eventually(async () => expect(await etcd.read(PREFIX)).toEqual({ [`${PREFIX}a:9190`]: 'a:9190' }));
    for (let round = 0; round < 4; round += 1) {
      await new Promise((resolve) => setTimeout(resolve, 900));
      await untilTimers(1);
      await clock.advance(1000);
    }
    expect(Object.keys(await etcd.read(PREFIX))).toHaveLength(1);
    // Killed: its clock stands still.
    await eventually(async () => expect(await etcd.read(PREFIX)).toEqual({}));
    await registration.close();
  });

  it('R2: registers again at once when its lease or its entry is gone', async () => {
    register('a:9190');
    const entry = { [`${PREFIX}a:9190`]: 'a:9190' };
    await eventually(async () => expect(await etcd.read(PREFIX)).toEqual(entry));

    const { leases = [] } = await etcd.call<{ leases?: { ID: string }[] }>('/v3/lease/leases', {});
    for (const { ID } of leases) await etcd.call('/v3/lease/revoke', { ID });
    expect(await etcd.read(PREFIX)).toEqual({});
    await passing(async () => expect(await etcd.read(PREFIX)).toEqual(entry));

    await etcd.delete(`${PREFIX}a:9190`);
    await passing(async () => expect(await etcd.read(PREFIX)).toEqual(entry));
  });

  it('takes over the entry that its earlier life has left, before that expires', async () => {
    await put('a:9190', 'a:9190');
    const registration = register('a:9190');
    const key = b64(`${PREFIX}a:9190`);
    await eventually(async () => {
      const { kvs } = await etcd.call<{ kvs: { lease?: string }[] }>('/v3/kv/range', { key });
      expect(kvs[0]?.lease).toBeDefined();
    });
    await registration.close();
    expect(await etcd.read(PREFIX)).toEqual({});
  });

  it('R3, R4: waits for an etcd that is down or has lost everything, and ends without it', async () => {
    const registration = register('a:9190');
    await eventually(async () => expect(Object.keys(await etcd.read(PREFIX))).toHaveLength(1));
    await etcd.stop();
    await clock.advance(3000);
    await etcd.restart({ empty: true });
    await passing(async () => expect(Object.keys(await etcd.read(PREFIX))).toHaveLength(1));
    await etcd.stop();
    await registration.close();
    await etcd.restart({ empty: true });
  });
});

/** Advances time until the condition holds. */
const passing = (check: () => Promise<void>) =>
  eventually(async () => {
    await clock.advance(500);
    await check();
  });

/** Waits until only this many timers are left. */
async function untilTimers(count: number): Promise<void> {
  await eventually(() => expect(clock.pendingTimers).toBe(count));
}

/** A proxy to etcd on which something happens before the first watch gets through. */
async function startFront(beforeWatch: () => Promise<void>): Promise<string> {
  let happened = false;
  return listening(
    createServer(async (req, res) => {
      if (req.url === '/v3/watch' && !happened) {
        happened = true;
        await beforeWatch();
      }
      const onward = request(`http://${etcd.address}${req.url}`, { method: 'POST', agent: false }, (answer) => {
        res.writeHead(answer.statusCode ?? 500);
        answer.pipe(res);
      });
      onward.on('error', () => res.destroy());
      res.on('close', () => onward.destroy());
      req.pipe(onward);
    }),
  );
}

const b64 = (text: string) => Buffer.from(text).toString('base64');

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

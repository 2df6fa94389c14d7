// needs: dnsmasq
// takes: 7 s
import { getEventListeners } from 'node:events';
import { FakeClock, silentLogger } from '@fnfleet/core';
import { DnsServer } from '@fnfleet/testing';
import { type DnsQuestion, newDnsSource } from './dns-source.js';
import type { MembershipSource } from './membership.js';
import { Reports } from './test-kit/reports.js';

let clock: FakeClock;
let server: DnsServer;
let reports: Reports;
let source: MembershipSource | undefined;

beforeEach(() => {
  clock = new FakeClock();
});
afterEach(async () => {
  await source?.close();
  source = undefined;
  await server.close();
  expect(clock.pendingTimers).toBe(0);
});

function ask(question: Partial<DnsQuestion> = {}): void {
  reports = new Reports();
  source = newDnsSource(
    { name: 'tasks.runner.test', port: 9190, server: server.address, timeoutMs: 2_000, ...question },
    { clock, random: () => 1, logger: silentLogger },
  );
  source.start(reports);
}

const runners = (...addresses: string[]) => server.serves({ 'tasks.runner.test': addresses });

describe('the addresses of a name', () => {
  it('are one runner each, of both families, in the same order for every balancer', async () => {
    server = await DnsServer.start();
    await runners('10.0.0.2', '2001:db8::7', '10.0.0.1');
    ask();
    expect(await reports.next()).toEqual(['10.0.0.1:9190', '10.0.0.2:9190', '[2001:db8::7]:9190']);
  });

  it('are watched for runners that join and leave', async () => {
    server = await DnsServer.start();
    await runners('10.0.0.1');
    ask();
    await reports.listed('10.0.0.1:9190');
    await runners('10.0.0.1', '10.0.0.2');
    await clock.advance(1000);
    await reports.listed('10.0.0.1:9190', '10.0.0.2:9190');
    await runners('10.0.0.2');
    await clock.advance(1000);
    await reports.listed('10.0.0.2:9190');
  });

  it.each`
    ttl     | pauseMs
    ${0}    | ${1000}
    ${3}    | ${3000}
    ${3600} | ${5000}
  `('with a TTL of $ttl s are queried again after $pauseMs ms', async ({ ttl, pauseMs }) => {
    server = await DnsServer.start({ ttl });
    await runners('10.0.0.1');
    ask();
    await reports.next();
    await clock.advance(pauseMs - 1);
    expect(reports.all).toHaveLength(1);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(1);
    await reports.next();
  });
});

it('leaves no listener behind for a query', async () => {
  server = await DnsServer.start();
  await runners('10.0.0.1');
  const listens = jest.spyOn(EventTarget.prototype, 'addEventListener');
  try {
    ask();
    await reports.next();
    for (let query = 0; query < 3; query += 1) {
      await clock.advance(1000);
      await reports.next();
    }
    const signals = new Set(listens.mock.contexts.filter((target) => target instanceof AbortSignal));
    expect([...signals].map((signal) => getEventListeners(signal, 'abort').length)).toEqual([0]);
  } finally {
    listens.mockRestore();
  }
});

describe('a DNS server that', () => {
  it('does not know the name is a failure, and recovers', async () => {
    server = await DnsServer.start();
    ask();
    expect(await reports.failed()).toBe('DNS has no address for tasks.runner.test');
    await runners('10.0.0.1');
    await clock.advance(500);
    await reports.listed('10.0.0.1:9190');
    await server.serves({});
    await clock.advance(1000);
    expect(await reports.failed()).toBe('DNS has no address for tasks.runner.test');
  });

  it('does not answer is a failure, and recovers when it answers again', async () => {
    server = await DnsServer.start();
    await runners('10.0.0.1');
    ask();
    await reports.listed('10.0.0.1:9190');
    server.freeze();
    await clock.advance(1000);
    expect(await reports.failed()).toMatch(/query(A|Aaaa) ETIMEOUT tasks\.runner\.test/);
    server.thaw();
    await clock.advance(500);
    await reports.listed('10.0.0.1:9190');
  });

  it('does not exist is a failure', async () => {
    server = await DnsServer.start();
    ask({ server: '127.0.0.1:9' });
    expect(await reports.failed()).toMatch(/ECONNREFUSED/);
  });

  it('does not answer does not delay a close', async () => {
    server = await DnsServer.start();
    server.freeze();
    ask({ timeoutMs: 60_000 });
    await source?.close();
    expect(reports.all).toEqual([]);
  });
});

describe('SRV records', () => {
  const services = [
    '_grpc._tcp.runner.test,one.test,9190,10',
    '_grpc._tcp.runner.test,two.test,9191,10',
    '_grpc._tcp.runner.test,spare.test,9190,20',
  ];
  const question = { name: '_grpc._tcp.runner.test', port: undefined };

  it('give the ports; those with the best priority count, with every address of their targets', async () => {
    server = await DnsServer.start({ services });
    await server.serves({ 'one.test': ['10.0.0.1', '::1'], 'two.test': ['10.0.0.2'], 'spare.test': ['10.0.0.3'] });
    ask(question);
    expect(await reports.next()).toEqual(['10.0.0.1:9190', '10.0.0.2:9191', '[::1]:9190']);
  });

  it('without an address for one target do not delay the others', async () => {
    server = await DnsServer.start({ services });
    await server.serves({ 'two.test': ['10.0.0.2'] });
    ask(question);
    expect(await reports.next()).toEqual(['10.0.0.2:9191']);
  });

  it('that do not exist, or whose targets have no addresses, are a failure', async () => {
    server = await DnsServer.start({ services });
    ask(question);
    expect(await reports.failed()).toBe('DNS has no address for _grpc._tcp.runner.test');
    await source?.close();
    ask({ ...question, name: '_http._tcp.runner.test' });
    expect(await reports.failed()).toBe('DNS has no address for _http._tcp.runner.test');
  });
});

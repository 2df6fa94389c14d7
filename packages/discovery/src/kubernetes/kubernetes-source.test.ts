import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FakeClock, silentLogger } from '@fnfleet/core';
import { eventually } from '@fnfleet/testing';
import type { MembershipSource } from '../membership.js';
import { type PoolDeps, parsePoolUrl } from '../pool-url.js';
import { FakeKubernetes, TEST_CERTIFICATE } from '../test-kit/fake-kubernetes.js';
import { Reports } from '../test-kit/reports.js';
import { newKubernetesSource } from './kubernetes-source.js';
import { parseKubernetesUrl } from './kubernetes-url.js';

let clock: FakeClock;
let api: FakeKubernetes;
let reports: Reports;
let source: MembershipSource | undefined;
let folder: string;
/** How often the source has decided to rest. */
let pauses: number;

beforeEach(async () => {
  clock = new FakeClock();
  pauses = 0;
  folder = await mkdtemp(join(tmpdir(), 'fnk8s'));
});
afterEach(async () => {
  await source?.close();
  source = undefined;
  await api.close();
  await rm(folder, { recursive: true });
  expect(clock.pendingTimers).toBe(0);
});

function look(path = 'runner', params = '', server = api.url): void {
  reports = new Reports();
  const url = parsePoolUrl(`k8s://prod/${path}?server=${server}${params}`);
  const random = () => {
    pauses += 1;
    return 1;
  };
  source = newKubernetesSource(parseKubernetesUrl(url, undefined), { clock, random, logger: silentLogger });
  source.start(reports);
}

/** A slice with these pods. */
const pods = (...hosts: string[]) => ({
  addressType: 'IPv4' as const,
  ports: [{ name: 'grpc', port: 9190 }],
  endpoints: hosts.map((host) => ({ addresses: [host], conditions: { ready: true } })),
});

/** Advances time until the condition holds. */
const passing = (check: () => void) =>
  eventually(async () => {
    await clock.advance(500);
    check();
  });
const watched = () => eventually(() => expect(api.watching).toBe(1));
const versionsAsked = () => api.asked.map((query) => query.get('resourceVersion') ?? 'list');

it('sees current endpoints, those that join and those that leave, in all slices of the service and no others', async () => {
  api = await FakeKubernetes.start();
  api.put('runner-1', pods('10.0.0.1'));
  api.put('other-1', pods('10.9.9.9'), 'other');
  look();
  expect(await reports.next()).toEqual(['10.0.0.1:9190']);
  api.put('runner-2', pods('10.0.0.2', '10.0.0.3'));
  await reports.listed('10.0.0.1:9190', '10.0.0.2:9190', '10.0.0.3:9190');
  api.put('runner-2', pods('10.0.0.3'));
  await reports.listed('10.0.0.1:9190', '10.0.0.3:9190');
  api.put('other-1', pods('10.9.9.8'), 'other');
  api.delete('runner-1');
  await reports.listed('10.0.0.3:9190');
});

it('removes a pod that is not ready or is shutting down, including the last one', async () => {
  api = await FakeKubernetes.start();
  api.put('runner-1', pods('10.0.0.1', '10.0.0.2'));
  look();
  await reports.listed('10.0.0.1:9190', '10.0.0.2:9190');
  const [one, two] = [{ addresses: ['10.0.0.1'] }, { addresses: ['10.0.0.2'] }];
  api.put('runner-1', { ...pods(), endpoints: [{ ...one, conditions: { ready: true, terminating: true } }, two] });
  await reports.listed('10.0.0.2:9190');
  api.put('runner-1', { ...pods(), endpoints: [one, { ...two, conditions: { ready: false } }] });
  await reports.listed('10.0.0.1:9190');
  api.put('runner-1', pods());
  await reports.listed();
});

it('continues where it was when the server ends a watch, or after a bookmark from there', async () => {
  api = await FakeKubernetes.start();
  api.put('runner-1', pods('10.0.0.1'));
  look();
  await reports.listed('10.0.0.1:9190');
  await watched();
  api.put('runner-1', pods('10.0.0.2'));
  await reports.listed('10.0.0.2:9190');
  await clock.advance(60_000);
  api.endWatches();
  await watched();
  api.put('runner-1', pods('10.0.0.3'));
  await reports.listed('10.0.0.3:9190');

  const version = api.bookmark();
  await clock.advance(60_000);
  // The bookmark is on its way; the event after it shows that it has arrived.
  api.put('runner-1', pods('10.0.0.4'));
  await reports.listed('10.0.0.4:9190');
  api.endWatches();
  await watched();

  expect(versionsAsked()).toEqual(['list', '101', '102', String(Number(version) + 1)]);
  expect(reports.all.some((report) => report instanceof Error)).toBe(false);
});

it('continues after a bookmark alone', async () => {
  api = await FakeKubernetes.start();
  api.put('runner-1', pods('10.0.0.1'));
  look();
  await watched();
  const version = api.bookmark();
  await clock.advance(60_000);
  api.endWatches();
  await watched();
  expect(versionsAsked()).toEqual(['list', '101', version]);
});

it.each(['event', 'status'] as const)('lists anew when its version is gone, told by the %s', async (gone) => {
  api = await FakeKubernetes.start();
  api.gone = gone;
  api.put('runner-1', pods('10.0.0.1'));
  look();
  await watched();
  await clock.advance(60_000);
  api.forget();
  api.endWatches();
  api.put('runner-1', pods('10.0.0.2'));
  await passing(() => expect(reports.all.at(-1)).toEqual(['10.0.0.2:9190']));
  expect(versionsAsked().slice(0, 4)).toEqual(['list', '101', '101', 'list']);
  expect(reports.all.some((report) => report instanceof Error)).toBe(false);
});

it('sees the changes that it missed when a connection broke', async () => {
  api = await FakeKubernetes.start();
  api.put('runner-1', pods('10.0.0.1'));
  look();
  await watched();
  await clock.advance(30_000);
  api.drop();
  api.put('runner-1', pods('10.0.0.2'));
  await passing(() => expect(reports.all.at(-1)).toEqual(['10.0.0.2:9190']));
  expect(reports.all.some((report) => report instanceof Error)).toBe(false);
  await watched();
  api.put('runner-1', pods('10.0.0.3'));
  await reports.listed('10.0.0.3:9190');
});

it.each([
  { how: 'ends in order', end: () => api.endWatches(), failures: 0 },
  { how: 'breaks off', end: () => api.drop(), failures: 1 },
])('pauses after a watch that $how as soon as it begins, however long the source has run', async (watch) => {
  api = await FakeKubernetes.start();
  api.put('runner-1', pods('10.0.0.1'));
  look();
  await watched();
  await clock.advance(60_000);
  api.endWatches();
  await watched();
  expect([versionsAsked(), pauses]).toEqual([['list', '101', '101'], 0]);
  watch.end();
  await eventually(() => expect(pauses).toBe(1));
  await clock.advance(499);
  expect(versionsAsked()).toHaveLength(3);
  await clock.advance(1);
  await watched();
  expect(versionsAsked()).toEqual(['list', '101', '101', 'list', '101']);
  expect(reports.all.filter((report) => report instanceof Error)).toHaveLength(watch.failures);
});

it('reports a server that is down, and recovers', async () => {
  api = await FakeKubernetes.start();
  api.put('runner-1', pods('10.0.0.1'));
  look();
  await watched();
  api.refusal = { code: 503, message: 'etcdserver: leader changed' };
  api.drop();
  await reports.failed();
  await clock.advance(500);
  expect(await reports.failed()).toBe(`${api.url} answers 503: etcdserver: leader changed`);
  api.refusal = undefined;
  await clock.advance(1000);
  await reports.listed('10.0.0.1:9190');
});

it.each(['{}', '{"items":[]}', '{"metadata":{"resourceVersion":"1"}}', '{"metadata":{},"items":[]}'])(
  'a server that answers %s is reported as not being the Kubernetes API',
  async (answer) => {
    api = await FakeKubernetes.start();
    const other = createServer((_req, res) => res.end(answer));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    look('runner', '', url);
    expect(await reports.failed()).toBe(`${url} is not the Kubernetes API`);
    await new Promise((resolve) => other.close(resolve));
  },
);

it('gives up a watch on which nothing arrives any more, not even its end', async () => {
  api = await FakeKubernetes.start();
  api.put('runner-1', pods('10.0.0.1'));
  look();
  await watched();
  await clock.advance(70_000);
  await eventually(() => expect(api.watching).toBe(0));
  await passing(() => expect(versionsAsked()).toEqual(['list', '101', 'list', '101']));
});

it('uses TLS, with the current token from the file', async () => {
  api = await FakeKubernetes.start({ secure: true });
  api.token = 'first';
  api.put('runner-1', pods('10.0.0.1'));
  const [token, ca] = [join(folder, 'token'), join(folder, 'ca.crt')];
  await writeFile(token, 'first\n');
  await writeFile(ca, TEST_CERTIFICATE);
  look('runner', `&token=${token}&ca=${ca}`);
  await reports.listed('10.0.0.1:9190');
  await watched();

  await writeFile(token, 'second\n');
  api.token = 'second';
  await clock.advance(60_000);
  api.endWatches();
  await watched();
  expect(reports.all).toHaveLength(1);
});

describe('reports what is wrong:', () => {
  it('a server with an untrusted certificate', async () => {
    api = await FakeKubernetes.start({ secure: true });
    look();
    expect(await reports.failed()).toContain(`${api.url}: self-signed certificate`);
  });

  it('a token that is invalid or missing', async () => {
    api = await FakeKubernetes.start();
    api.token = 'right';
    await writeFile(join(folder, 'token'), 'wrong');
    look('runner', `&token=${join(folder, 'token')}`);
    expect(await reports.failed()).toBe(`${api.url} answers 401: Unauthorized`);
    await source?.close();
    look('runner', `&token=${join(folder, 'none')}`);
    expect(await reports.failed()).toMatch(/ENOENT: no such file or directory, open '.*none'/);
  });

  it('an account without permission', async () => {
    api = await FakeKubernetes.start();
    const message = 'endpointslices.discovery.k8s.io is forbidden: User "lb" cannot list resource "endpointslices"';
    api.refusal = { code: 403, message };
    look();
    expect(await reports.failed()).toBe(`${api.url} answers 403: ${message}`);
  });

  it('a service that does not exist, until it does', async () => {
    api = await FakeKubernetes.start();
    look('ruiner');
    expect(await reports.failed()).toBe('service prod/ruiner: no EndpointSlices found; does the service exist?');
    await watched();
    api.put('ruiner-1', pods('10.0.0.1'), 'ruiner');
    await reports.listed('10.0.0.1:9190');
  });

  it('a port that the service does not have', async () => {
    api = await FakeKubernetes.start();
    api.put('runner-1', pods('10.0.0.1'));
    look('runner:metrics');
    expect(await reports.failed()).toBe(
      'service prod/runner: the pods of the service have no port metrics; ports: grpc (9190)',
    );
  });
});

describe('the URL of a Kubernetes pool', () => {
  const inCluster = { host: '10.96.0.1', port: '443' };
  const parse = (url: string, cluster: PoolDeps['kubernetes'] = inCluster) =>
    parseKubernetesUrl(parsePoolUrl(url), cluster);

  beforeEach(async () => {
    api = await FakeKubernetes.start();
  });

  it('has namespace, service and port; the rest is what Kubernetes gives a pod', () => {
    const account = '/var/run/secrets/kubernetes.io/serviceaccount';
    const tls = { ca: `${account}/ca.crt` };
    const place = { server: 'https://10.96.0.1:443', tokenFile: `${account}/token`, tls };
    expect(parse('k8s://prod/runner')).toEqual({ namespace: 'prod', service: 'runner', port: undefined, api: place });
    expect(parse('k8s://prod/runner:9190').port).toBe(9190);
    expect(parse('k8s://prod/runner:grpc').port).toBe('grpc');
    expect(parse('k8s://prod/runner', { host: 'fd00::1', port: '6443' }).api.server).toBe('https://[fd00::1]:6443');
  });

  it.each`
    url                                         | message
    ${'k8s://prod'}                             | ${'expected k8s://namespace/service:port'}
    ${'k8s://Prod/runner'}                      | ${'expected k8s://namespace/service:port'}
    ${'k8s://prod/runner:1:2'}                  | ${'expected k8s://namespace/service:port'}
    ${'k8s://prod/runner:70000'}                | ${'the port must be a number from 1 to 65535 or a name, got "70000"'}
    ${'k8s://prod/runner?server=10.0.0.1:6443'} | ${'server: expected https://host:port, got "10.0.0.1:6443"'}
    ${'k8s://prod/runner?port=1'}               | ${'unknown parameter "port"; known: server, token, ca'}
  `('$url is rejected: $message', ({ url, message }) => {
    expect(() => parse(url)).toThrow(message);
  });

  it('must have the API server outside a cluster', () => {
    const url = parsePoolUrl('k8s://prod/runner');
    expect(() => parseKubernetesUrl(url, undefined)).toThrow(/KUBERNETES_SERVICE_HOST is not set.*server=https/);
  });
});

import path from 'node:path';
import { reportOf } from '@fnfleet/placement';
import { anOutboundCall, startScriptedRunner } from '@fnfleet/testing';
import type { LbServer } from './http/lb-server.js';
import { FakeApiNode } from './test-kit/fake-api-node.js';

interface Example {
  newBalancer(options: { apiUrl: string; port: number; goldAddresses: string[]; otherAddresses: string[] }): LbServer;
}

it('examples/embed-balancer: an app marked gold is served by its own runners, and a runner learns the tenant', async () => {
  const { newBalancer }: Example = require(path.join(__dirname, '../../../examples/embed-balancer/balancer.js'));
  const [gold, other] = await Promise.all(['gold', 'other'].map(answering));
  const fn = { image: 'i', memory: 128, timeout: 30, idle_timeout: 30 };
  const api = await FakeApiNode.start({
    apps: [
      { id: 'app1', name: 'paying', annotations: { 'example.com/tier': 'gold' } },
      { id: 'app2', name: 'trying' },
    ],
    fns: [
      { ...fn, id: 'fn1', app_id: 'app1' },
      { ...fn, id: 'fn2', app_id: 'app2' },
    ],
  });
  const addresses = { goldAddresses: [gold?.address ?? ''], otherAddresses: [other?.address ?? ''] };
  const balancer = newBalancer({ apiUrl: api.url, port: 0, ...addresses });
  await balancer.ready;

  const invoke = async (fnId: string) => {
    const headers = { 'X-Tenant': 'acme', Connection: 'close' };
    const answer = await fetch(`${balancer.address.url}/invoke/${fnId}`, { method: 'POST', headers });
    return answer.text();
  };
  expect(await invoke('fn1')).toBe('gold');
  expect(await invoke('fn2')).toBe('other');
  expect(gold?.engagements[0]?.received[0]).toMatchObject({ kind: 'try', extensions: { tenant: 'acme' } });

  expect(await balancer.drain({ graceMs: 30_000 })).toBe('drained');
  await Promise.all([gold?.close(), other?.close(), api.close()]);
});

/** A runner whose functions all answer the same. */
function answering(text: string) {
  return startScriptedRunner(async (engagement) => {
    await engagement.wholeBody;
    engagement.send({ kind: 'resultStart', status: 200, headers: [] });
    engagement.send({ kind: 'data', data: Buffer.from(text), eof: false });
    engagement.send({ kind: 'finished', report: reportOf(anOutboundCall()) });
    engagement.end();
  });
}

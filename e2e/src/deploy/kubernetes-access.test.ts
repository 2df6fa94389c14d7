// needs: kubectl
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { testTool, until } from '@fnfleet/testing';
import { FnfleetCommand } from '../harness/command.js';
import { buildOverlay } from './kubernetes-objects.js';

jest.setTimeout(120_000);

interface Asked {
  readonly apiGroup: string;
  readonly namespace: string;
  readonly resource: string;
  readonly verb: 'list' | 'watch';
}

const PATH = /^\/apis\/([^/]+)\/v1\/namespaces\/([^/]+)\/([^/]+)$/;

/** An API of Kubernetes with one service that has no pods. It takes down what it is asked for. */
class AskedApi {
  readonly asked: Asked[] = [];
  private readonly server: Server = createServer((req, res) => this.answer(req, res));

  async listen(): Promise<string> {
    this.server.listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private answer({ method, url = '' }: IncomingMessage, res: ServerResponse): void {
    const { pathname, searchParams } = new URL(url, 'http://api');
    const [, apiGroup = url, namespace = '', resource = ''] = (method === 'GET' && PATH.exec(pathname)) || [];
    const verb = searchParams.get('watch') ? 'watch' : 'list';
    this.asked.push({ apiGroup, namespace, resource, verb });
    res.setHeader('content-type', 'application/json');
    // A watch stays open, and has nothing to tell.
    if (verb === 'watch') return res.flushHeaders();
    const slice = { metadata: { name: 'runner-1' }, addressType: 'IPv4', ports: [], endpoints: [] };
    res.end(JSON.stringify({ metadata: { resourceVersion: '1' }, items: [slice] }));
  }
}

it('a balancer asks Kubernetes for what its Role allows, and for all of it', async () => {
  const overlay = await buildOverlay(await testTool('kubectl'), 'host-docker');
  const [role] = overlay.of('Role');
  const lb = overlay.environments.find(({ workload }) => workload.name === 'lb');

  const api = new AskedApi();
  const server = await api.listen();
  const balancer = new FnfleetCommand(['node'], {
    env: {
      FN_NODE_TYPE: 'lb',
      FN_PORT: '0',
      FN_RUNNER_API_URL: 'http://127.0.0.1:1',
      FN_RUNNER_POOL: `${lb?.env.FN_RUNNER_POOL}?server=${server}`,
    },
  });
  try {
    await until({ what: 'a watch', look: () => api.asked.some(({ verb }) => verb === 'watch') || undefined });
  } finally {
    await balancer.stop();
    await api.close();
  }

  const allowed = role?.rules.flatMap((rule: Record<'apiGroups' | 'resources' | 'verbs', string[]>) =>
    rule.apiGroups.flatMap((apiGroup) =>
      rule.resources.flatMap((resource) => rule.verbs.map((verb) => `${verb} ${apiGroup}/${resource}`)),
    ),
  );
  const asked = new Set(api.asked.map(({ verb, apiGroup, resource }) => `${verb} ${apiGroup}/${resource}`));
  expect([...asked].sort()).toEqual([...allowed].sort());
  expect(new Set(api.asked.map(({ namespace }) => namespace))).toEqual(new Set([role?.metadata.namespace]));
});

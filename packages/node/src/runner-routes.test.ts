import { mkdtempSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { readSettings, silentLogger, VERSION } from '@fnfleet/core';
import { httpSettings, type Readiness } from '@fnfleet/http';
import { newGrpcRunner } from '@fnfleet/placement';
import { commonSettings } from './common-settings.js';
import type { RunningRole } from './role.js';
import { roleSecurity } from './role-security.js';
import { ROLES } from './roles.js';

let folder: string;
let running: RunningRole;
let state: Readiness['state'];
beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'runner-routes-'));
  state = 'ready';
});
afterEach(async () => {
  await running.service.close();
  rmSync(folder, { recursive: true });
});

async function start(more: Readonly<Record<string, string>> = {}): Promise<void> {
  const env = {
    FN_BIND_ADDRESS: '127.0.0.1',
    FN_PORT: '0',
    FN_GRPC_PORT: '0',
    FN_DRIVER: 'process',
    FN_PROCESS_FUNCTIONS: folder,
    FN_IOFS_PATH: folder,
    ...more,
  };
  const security = roleSecurity(readSettings({ ...commonSettings, ...httpSettings }, env), silentLogger);
  const metrics = () => undefined;
  running = ROLES['pure-runner'].start(env, { logger: silentLogger, metrics, security, readiness: () => state });
  await running.service.ready;
}

interface Body {
  readonly name?: string;
  readonly state?: string;
  readonly reason?: string;
  readonly now_ms: number;
}

async function ask(method: string, route: string, headers = {}) {
  const response = await fetch(`${running.addresses().http}${route}`, { method, headers });
  return { status: response.status, body: (await response.json()) as Body };
}

it('GET /runner reports name and state', async () => {
  await start({ FN_RUNNER_NAME: 'box-3' });
  const before = Date.now();
  const { status, body } = await ask('GET', '/runner');
  expect(status).toBe(200);
  expect(body).toMatchObject({
    name: 'box-3',
    version: VERSION,
    state: 'ready',
    incarnation: expect.stringMatching(/^[0-9a-f]{16}$/),
    grpc_address: running.addresses().grpc,
    in_hand: 0,
    load: { draining: false, degraded: false, memory_total_bytes: expect.any(Number) },
    functions: [],
    limits: { drain_grace_ms: 30_000 },
    driver: { name: 'process' },
  });
  expect(body.now_ms).toBeGreaterThan(before - 5_000);
  expect(body.now_ms).toBeLessThan(Date.now() + 5_000);
});

it('is named after its host and port by default', async () => {
  await start();
  const port = running.addresses().grpc?.split(':')[1];
  expect((await ask('GET', '/runner')).body.name).toBe(`${hostname()}:${port}`);
});

it('POST /drain and DELETE /drain drain and undrain it any number of times', async () => {
  await start();
  const runner = newGrpcRunner(running.addresses().grpc ?? '', { connectTimeoutMs: 30_000 });
  const isDraining = async () => (await runner.status()).load?.draining;
  try {
    for (const _ of [1, 2]) {
      const drained = await ask('POST', '/drain');
      expect([drained.status, drained.body.state]).toEqual([200, 'draining']);
      expect(drained.body.reason).toContain('drained by an operator');
    }
    expect(await isDraining()).toBe(true);
    expect(await ask('GET', '/readyz')).toEqual({ status: 503, body: { status: 'suspended' } });
    expect((await ask('GET', '/healthz')).status).toBe(200);

    for (const _ of [1, 2]) expect((await ask('DELETE', '/drain')).body.state).toBe('ready');
    expect(await isDraining()).toBe(false);
    expect((await ask('GET', '/readyz')).status).toBe(200);
  } finally {
    await runner.close();
  }
});

it('cannot be undrained while it shuts down', async () => {
  await start();
  await ask('POST', '/drain');
  state = 'draining';
  expect(await ask('DELETE', '/drain')).toEqual({
    status: 409,
    body: { message: 'The runner is shutting down and takes no more calls' },
  });
  expect((await ask('GET', '/runner')).body).toMatchObject({ state: 'draining', reason: 'shutting down' });
});

it('is for operators only', async () => {
  await start({ FN_OPERATOR_TOKEN: 'sesame' });
  for (const [method, route] of [
    ['GET', '/runner'],
    ['POST', '/drain'],
    ['DELETE', '/drain'],
  ] as const) {
    expect((await ask(method, route)).status).toBe(401);
    expect((await ask(method, route, { authorization: 'Bearer wrong' })).status).not.toBe(200);
    expect((await ask(method, route, { authorization: 'Bearer sesame' })).status).toBe(200);
  }
});

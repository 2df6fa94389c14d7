import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { agentSettings } from '@fnfleet/agent';
import { MIB, readSettings, wallMs } from '@fnfleet/core';
import { httpSettings } from '@fnfleet/http';
import { commonSettings } from '@fnfleet/node';
import { driverSettings } from '@fnfleet/node/roles';
import { TestCertificates } from '@fnfleet/testing';
import { checkDatabase } from './database-check.js';
import { checkEngine } from './engine-check.js';
import { examine } from './examine.js';
import { formatFindings, found } from './finding.js';
import { checkMemory, checkOpenFiles, checkPort, checkSocket } from './machine-checks.js';
import { checkTls } from './tls-check.js';

let folder: string;
const servers: Server[] = [];
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'doctor-'));
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  rmSync(folder, { recursive: true });
});

async function listening(server: Server, at: number | string = 0): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) =>
    typeof at === 'number' ? server.listen(at, '127.0.0.1', resolve) : server.listen(at, resolve),
  );
  return typeof at === 'number' ? (server.address() as AddressInfo).port : 0;
}

describe('a port', () => {
  const at = (port: number, host = '127.0.0.1', who?: string) =>
    checkPort({ setting: 'FN_PORT', host, port, whoIsThere: async () => who });

  it('is ok if it is free, already ours, or any', async () => {
    const port = await listening(createServer());
    expect(await at(port, '127.0.0.1', 'a node')).toEqual([
      { check: 'port', verdict: 'ok', what: `FN_PORT: 127.0.0.1:${port} is used by a node` },
    ]);
    await new Promise((resolve) => servers.pop()?.close(resolve));
    expect(await at(port)).toMatchObject([{ verdict: 'ok', what: expect.stringContaining('is free') }]);
    expect(await at(0)).toMatchObject([{ verdict: 'ok' }]);
  });

  it('fails if another process uses it, and the remedy shows how to find that', async () => {
    const port = await listening(createServer());
    expect(await at(port)).toEqual([
      {
        check: 'port',
        verdict: 'fail',
        what: `FN_PORT: 127.0.0.1:${port} is in use by another process`,
        remedy: expect.stringContaining(`ss -ltnp "sport = :${port}"`),
      },
    ]);
  });

  it('fails for an address that this machine does not have', async () => {
    expect(await at(1234, '192.0.2.1')).toMatchObject([
      { verdict: 'fail', remedy: expect.stringMatching(/FN_BIND_ADDRESS/) },
    ]);
  });
});

describe('a unix socket', () => {
  const at = (socket: string, who?: string) =>
    checkSocket(socket, { setting: 'FN_GRPC_SOCKET', whoIsThere: async () => who });

  it.each`
    what                                      | make                                                           | who            | verdict   | says
    ${'nothing'}                              | ${() => undefined}                                             | ${undefined}   | ${'ok'}   | ${'is free'}
    ${'our own runner'}                       | ${(socket: string) => listening(createServer(), socket)}       | ${'runner r1'} | ${'ok'}   | ${'is used by runner r1'}
    ${'another process'}                      | ${(socket: string) => listening(createServer(), socket)}       | ${undefined}   | ${'fail'} | ${'is in use by another process'}
    ${'the socket of a process that is gone'} | ${leaveSocket}                                                 | ${undefined}   | ${'ok'}   | ${'will be replaced'}
    ${'a file'}                               | ${(socket: string) => writeFileSync(socket, '')}               | ${undefined}   | ${'fail'} | ${'is not a socket'}
    ${'a file in place of its directory'}     | ${(socket: string) => writeFileSync(path.dirname(socket), '')} | ${undefined}   | ${'fail'} | ${'cannot create'}
  `('with $what there: $verdict', async ({ make, who, verdict, says }) => {
    const socket = path.join(folder, 'sockets', 'r.sock');
    if (says === 'cannot create') rmSync(path.dirname(socket), { recursive: true, force: true });
    else if (says !== 'is free') mkdirSync(path.dirname(socket));
    await make(socket);
    expect(await at(socket, who)).toMatchObject([{ check: 'port', verdict, what: expect.stringContaining(says) }]);
  });
});

async function leaveSocket(socket: string): Promise<void> {
  const script = `require('net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`;
  await once(spawn(process.execPath, ['-e', script]), 'exit');
}

it.each`
  hard           | verdict
  ${'unlimited'} | ${'ok'}
  ${'1048576'}   | ${'ok'}
  ${'20000'}     | ${'warn'}
  ${'1024'}      | ${'fail'}
`('$hard open files are $verdict', async ({ hard, verdict }) => {
  const file = path.join(folder, 'limits');
  writeFileSync(
    file,
    `Limit Soft Limit Hard Limit Units\nMax open files            1024                 ${hard}   files\n`,
  );
  expect(await checkOpenFiles(file)).toMatchObject([{ verdict, what: expect.stringContaining(`${hard} open files`) }]);
});

it('warns about little memory for functions', async () => {
  const settings = (bytes: number) => readSettings(agentSettings, { FN_MAX_TOTAL_MEMORY_BYTES: `${bytes}` });
  expect(await checkMemory(settings(1024 * MIB))).toMatchObject([{ verdict: 'ok' }]);
  expect(await checkMemory(settings(300 * MIB))).toMatchObject([
    { verdict: 'warn', what: expect.stringContaining('300 MiB') },
  ]);
});

describe('certificates', () => {
  let certificates: TestCertificates;
  beforeEach(() => {
    certificates = new TestCertificates();
  });
  afterEach(() => certificates.remove());

  const read = (env: Record<string, string>) => readSettings({ ...commonSettings, ...httpSettings }, env);
  const HOUR_MS = 3_600_000;

  it('that expire soon cause a warning with the command to renew them', async () => {
    const [finding, ...more] = await checkTls(read(certificates.env('node')), ['localhost']);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({
      verdict: 'warn',
      what: expect.stringMatching(/for .*localhost.*; expires in 0 days/),
    });
    expect(finding?.remedy).toBe('fnfleet certs renew');
  });

  it('that have expired, or are for another host, fail', async () => {
    const settings = read(certificates.env('node'));
    expect(await checkTls(settings, [], wallMs(Date.now() + 25 * HOUR_MS))).toMatchObject([
      { verdict: 'fail', what: expect.stringMatching(/expired/) },
    ]);
    expect((await checkTls(settings, ['box.example']))[1]).toMatchObject({
      verdict: 'fail',
      what: expect.stringContaining('does not cover box.example'),
      remedy: expect.stringMatching(/--san box\.example.*FN_TLS_RUNNER_NAME=/),
    });
  });

  it('are only the CA for an operator with a token', async () => {
    const { FN_TLS_CERT = '', FN_TLS_KEY = '', FN_TLS_CA = '' } = certificates.env('node');
    const ofTls = async (env: Record<string, string>) =>
      (await examine({ FN_PORT: '0', FN_DRIVER: 'process', FN_DB_URL: 'sqlite3://:memory:', ...env })).filter(
        ({ check }) => check === 'tls' || check === 'settings',
      );
    expect(await ofTls({ FN_TLS_CA })).toMatchObject([
      { check: 'settings', verdict: 'ok' },
      { check: 'tls', verdict: 'ok', what: expect.stringMatching(/ca\.crt identifies the servers of the fleet/) },
    ]);
    // Of a node it would be a mistake.
    expect((await ofTls({ FN_TLS_CA, FN_NODE_TYPE: 'api' })).at(-1)).toMatchObject({ verdict: 'fail' });
    expect((await ofTls({ FN_TLS_CA: FN_TLS_KEY })).at(-1)).toMatchObject({ check: 'tls', verdict: 'fail' });
    expect((await ofTls({ FN_TLS_CA, FN_TLS_CERT, FN_TLS_KEY })).at(-1)).toMatchObject({
      check: 'tls',
      what: expect.stringMatching(/node\.crt: for /),
    });
  });

  it('are required for access from other machines', async () => {
    expect(await checkTls(read({}), [])).toMatchObject([{ verdict: 'ok' }]);
    const open = { FN_BIND_ADDRESS: '0.0.0.0' };
    expect(await checkTls(read(open), [])).toMatchObject([
      { verdict: 'fail', what: expect.stringContaining('TLS is not configured') },
    ]);
    expect(await checkTls(read({ ...open, FN_ALLOW_INSECURE: '1' }), [])).toMatchObject([{ verdict: 'warn' }]);
  });
});

describe('a Docker engine', () => {
  /** What a small engine answers to what a runner asks at its start. */
  async function engine(version: object, info: object = {}): Promise<Record<string, string>> {
    const socket = path.join(folder, 'docker.sock');
    const server = createHttpServer((req, res) => {
      const answers: Record<string, unknown> = { '/_ping': 'OK', '/version': version, '/info': info };
      const answer = answers[req.url ?? ''];
      res.writeHead(answer === undefined ? 404 : 200, { connection: 'close' }).end(JSON.stringify(answer ?? {}));
    });
    await listening(server, socket);
    return { DOCKER_HOST: `unix://${socket}` };
  }
  const check = (env: Record<string, string>) => found('engine', () => checkEngine(readSettings(driverSettings, env)));

  it('fails with a remedy if it is too old', async () => {
    const [finding] = await check(await engine({ Version: '17.03.2-ce', ApiVersion: '1.27' }));
    expect(finding).toMatchObject({
      check: 'engine',
      verdict: 'fail',
      what: expect.stringMatching(
        /too old\. Required: 17\.10\.0-ce Found: 17\.03\.2-ce\. Update the Docker engine at unix:/,
      ),
    });
  });

  it('fails with a remedy if it is not running', async () => {
    expect(await check({ DOCKER_HOST: `unix://${folder}/none` })).toMatchObject([
      { check: 'engine', verdict: 'fail', what: expect.stringMatching(/cannot reach .*none.*Start it/) },
    ]);
  });

  it('is reported as Podman if it is that', async () => {
    const Components = [{ Name: 'Podman Engine' }];
    const [finding] = await check(await engine({ Version: '4.3.1', ApiVersion: '1.41', Components }));
    expect(finding).toMatchObject({
      verdict: 'ok',
      what: expect.stringMatching(/^Podman 4\.3\.1 at unix:.*, API 1\.41/),
    });
  });

  it('works without freezable control groups, but more slowly', async () => {
    const env = await engine(
      { Version: '26.1.3', ApiVersion: '1.45' },
      { Driver: 'overlay2', DockerRootDir: folder, CgroupVersion: '2' },
    );
    const [answers, disk, freezer] = await check({ ...env, FN_CGROUP_PATH: folder });
    expect(answers).toMatchObject({
      verdict: 'ok',
      what: expect.stringMatching(/Docker 26\.1\.3 at .*API 1\.45, overlay2/),
    });
    expect(disk).toMatchObject({ check: 'disk', what: expect.stringContaining(folder) });
    expect(freezer).toMatchObject({
      check: 'freezer',
      verdict: 'warn',
      what: expect.stringContaining(`cgroup version 2; no control groups with a freezer are mounted at ${folder}`),
      remedy: expect.stringContaining('FN_CGROUP_PATH'),
    });
  });

  it('is not checked if functions run as child processes', async () => {
    expect(await check({ FN_DRIVER: 'process' })).toMatchObject([
      { verdict: 'warn', what: expect.stringContaining('without any isolation') },
    ]);
  });
});

it('checks an existing database, and the place for a new one', async () => {
  const file = path.join(folder, 'new/fn.db');
  expect(await checkDatabase(`sqlite3://${file}`)).toMatchObject([
    { verdict: 'ok', what: `${file} will be created` },
    { check: 'disk', what: expect.stringContaining(folder) },
  ]);
  mkdirSync(path.dirname(file));
  writeFileSync(file, '');
  expect(await checkDatabase(`sqlite3://${file}`)).toMatchObject([{ what: `${file} exists` }, { check: 'disk' }]);
  expect(await checkDatabase(`sqlite3://${file}/fn.db`)).toMatchObject([
    { verdict: 'fail', what: `cannot write ${file}/fn.db: ${file} is not a folder` },
  ]);
  expect(await checkDatabase(`sqlite3://${folder}`)).toMatchObject([
    { verdict: 'fail', what: `cannot write ${folder}: ${folder} is a folder` },
  ]);
  expect(await checkDatabase('postgres://u:secret@127.0.0.1:1/db')).toEqual([
    {
      check: 'database',
      verdict: 'fail',
      what: 'The database cannot be used: its server cannot be reached',
      remedy: expect.stringMatching(/^FN_DB_URL: postgres:\/\/u@127\.0\.0\.1:1\/db: .*check that it runs/),
    },
  ]);
  expect(await checkDatabase('postgres://u:secret@h/db?sslmode=on')).toMatchObject([
    { verdict: 'fail', what: expect.stringContaining('sslmode="on" is not supported'), remedy: 'correct FN_DB_URL' },
  ]);
  expect(await checkDatabase('mysql://there')).toMatchObject([
    { verdict: 'fail', remedy: expect.stringContaining('sqlite3:') },
  ]);
});

it('reports only invalid settings if there are any', async () => {
  const findings = await examine({ FN_NODE_TYPE: 'lb', FN_PLACER_TIMEOUT_MSECS: '5s' });
  expect(findings.map(({ check, verdict }) => `${verdict} ${check}`)).toEqual(findings.map(() => 'fail settings'));
  expect(findings.map(({ what }) => what).join()).toMatch(
    /FN_RUNNER_API_URL: required.*FN_PLACER_TIMEOUT_MSECS: expected/,
  );
});

it('reports valid settings that keep a node from starting, each once', async () => {
  const env = {
    FN_NODE_TYPE: 'lb',
    FN_PORT: '0',
    FN_PLACER: 'chh',
    FN_RUNNER_POOL: 'carrier-pigeon://coop',
    FN_RUNNER_API_URL: 'ftp://api',
  };
  const failed = (await examine(env)).filter(({ verdict }) => verdict === 'fail');
  const names = failed.map(({ what, remedy }) => /FN_[A-Z_]+/.exec(`${what} ${remedy}`)?.[0]);
  expect(names.sort()).toEqual(['FN_PLACER', 'FN_RUNNER_API_URL', 'FN_RUNNER_POOL']);
  expect(failed).toContainEqual({
    check: 'settings',
    verdict: 'fail',
    what: expect.stringMatching(/^FN_PLACER: unknown placer "chh"/),
  });
});

it.each([
  ['beside what is wrong', { FN_NODE_TYPE: 'lb' }],
  ['of a node that could start', { FN_NODE_TYPE: 'api', FN_PORT: '0', FN_DB_URL: 'sqlite3://:memory:' }],
])('names settings without effect: %s', async (_, env) => {
  expect(await examine({ ...env, FN_LOG_LEVLE: 'debug' })).toContainEqual({
    check: 'settings',
    verdict: 'warn',
    what: 'FN_LOG_LEVLE has no effect',
    remedy: 'did you mean FN_LOG_LEVEL?',
  });
});

it('shows findings as lines with the remedy below', () => {
  expect(
    formatFindings([
      { check: 'tls', verdict: 'ok', what: 'fine' },
      { check: 'engine', verdict: 'fail', what: 'not there\n  at all', remedy: 'start it' },
    ]),
  ).toEqual(['ok    tls     fine', 'fail  engine  not there', '              at all', '              → start it']);
});

// takes: 14 s
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { freePorts } from '@fnfleet/testing';
import { ROLES } from 'fnfleet';
import { FnfleetCommand, fnfleet } from './harness/command.js';
import { Footprint } from './harness/footprint.js';
import { errorOf, invoke } from './harness/invoke.js';
import { ROOT } from './harness/paths.js';

jest.setTimeout(120_000);

const HOST = '127.0.0.1';
/** Nobody listens there, and nobody may without being root. */
const CLOSED = `${HOST}:1`;
const LB = { FN_NODE_TYPE: 'lb', FN_RUNNER_API_URL: `http://${CLOSED}`, FN_RUNNER_ADDRESSES: CLOSED };
const RUNNER = { FN_NODE_TYPE: 'pure-runner', FN_GRPC_PORT: '0' };
const DATABASE = 'sqlite3://:memory:';
const NODES = {
  api: { FN_NODE_TYPE: 'api' },
  lb: LB,
  'pure-runner': { ...RUNNER, FN_DRIVER: 'process', FN_PROCESS_FUNCTIONS: path.join(ROOT, 'e2e/functions') },
};

describe('a node with wrong settings', () => {
  let footprint: Footprint;
  const running: FnfleetCommand[] = [];

  beforeEach(() => {
    footprint = new Footprint();
  });

  afterEach(async () => {
    await Promise.all(running.splice(0).map((node) => node.stop()));
    const left = await footprint.leftovers();
    footprint.remove();
    expect(left).toEqual([]);
  });

  /** What a node is started with where a test says nothing else. */
  function environment(settings: Readonly<Record<string, string>>): Record<string, string> {
    return { ...footprint.env, FN_BIND_ADDRESS: HOST, FN_PORT: '0', ...settings };
  }

  function start(settings: Readonly<Record<string, string>>): FnfleetCommand {
    const node = new FnfleetCommand(['node'], { env: environment(settings) });
    running.push(node);
    return node;
  }

  /** For one that ends by itself. What it prints must be enough to put it right; a stack is not. */
  async function refusal(settings: Readonly<Record<string, string>>): Promise<string> {
    const { code, output } = await fnfleet(['node'], environment(settings));
    expect([code, output]).toEqual([1, expect.not.stringMatching(/^\s+at /m)]);
    return output;
  }

  it('lists all of them, with what was expected and what was there', async () => {
    const output = await refusal({
      FN_NODE_TYPE: 'lb',
      FN_PORT: '80 80',
      FN_LOG_LEVEL: 'loud',
      FN_MAX_REQUEST_SIZE: '1k',
      FN_PLACER_TIMEOUT_MSECS: '5s',
    });

    expect(output).toContain('6 settings are wrong');
    expect(output).toContain('FN_PORT: expected a whole number from 0 to 65535, got "80 80"');
    expect(output).toContain('FN_LOG_LEVEL: expected one of error, warn, info, debug, got "loud"');
    expect(output).toContain('FN_MAX_REQUEST_SIZE: expected a whole number of bytes, got "1k"');
    expect(output).toContain('FN_PLACER_TIMEOUT_MSECS: expected a whole number of milliseconds, got "5s"');
    expect(output).toContain('FN_RUNNER_API_URL: required');
    expect(output).toContain('fnfleet node --help lists every setting');
  });

  it.each<[string, Record<string, string>, string[]]>([
    [
      'a balancer',
      {
        FN_NODE_TYPE: 'lb',
        FN_PORT: 'x',
        FN_WORKERS: 'many',
        FN_RUNNER_API_URL: 'ftp://api',
        FN_RUNNER_POOL: 'carrier-pigeon://coop',
        FN_PLACER: 'chh',
        FN_TLS_CERT: '/nonexistent/tls.crt',
        FN_ALLOWED_HOSTS: 'a b',
        FN_API_CORS_ORIGINS: 'example.com',
      },
      [
        'FN_PORT',
        'FN_WORKERS',
        'FN_RUNNER_API_URL',
        'FN_RUNNER_POOL',
        'FN_PLACER',
        'FN_TLS_KEY',
        'FN_ALLOWED_HOSTS',
        'FN_API_CORS_ORIGINS',
      ],
    ],
    [
      'a runner',
      {
        ...RUNNER,
        FN_BIND_ADDRESS: '0.0.0.0',
        FN_MAX_PIDS: '-1',
        DOCKER_HOST: 'ssh://box',
        FN_REGISTER: 'etcd:/nowhere',
        FN_ADVERTISE_ADDRESS: 'here:x',
      },
      ['FN_BIND_ADDRESS', 'FN_MAX_PIDS', 'DOCKER_HOST', 'FN_REGISTER', 'FN_ADVERTISE_ADDRESS'],
    ],
    [
      'an API node',
      { FN_NODE_TYPE: 'api', FN_LOG_LEVEL: 'loud', FN_DB_URL: 'mysql://u:secret@h/d', FN_API_CORS_ORIGINS: 'x' },
      ['FN_LOG_LEVEL', 'FN_DB_URL', 'FN_API_CORS_ORIGINS'],
    ],
    [
      'one that is none of them',
      { FN_NODE_TYPE: 'worker', FN_PORT: 'x', FN_DRAIN_GRACE_MSECS: '-' },
      ['FN_NODE_TYPE', 'FN_PORT', 'FN_DRAIN_GRACE_MSECS'],
    ],
  ])('%s lists those too whose values look right and mean nothing', async (_what, settings, wrong) => {
    const output = await refusal(settings);
    expect(output).not.toContain('secret');
    const told = output.split('\n').flatMap((line) => /^ {2}(?! )([A-Z_]+)/.exec(line)?.[1] ?? []);
    expect([...told].sort()).toEqual([...wrong].sort());
  });

  it('http-api 10: a balancer names the api node and the runners that it misses', async () => {
    const output = await refusal({ FN_NODE_TYPE: 'lb' });
    expect(output).toContain('FN_RUNNER_API_URL: required');
    expect(output).toContain('FN_RUNNER_ADDRESSES: required');
  });

  it('does not listen beyond this machine without TLS, and says how to do it right', async () => {
    for (const address of ['0.0.0.0', '::', '192.0.2.1']) {
      const output = await refusal({ ...RUNNER, FN_DRIVER: 'process', FN_BIND_ADDRESS: address });
      expect(output).toContain(
        `FN_BIND_ADDRESS: ${address} can be reached from other machines, and TLS is not configured`,
      );
      for (const way of ['fnfleet certs init', 'FN_TLS_CERT, FN_TLS_KEY, FN_TLS_CA', 'FN_ALLOW_INSECURE=1']) {
        expect(output).toContain(way);
      }
    }
  });

  it('listens beyond this machine without TLS when it is told to, with a warning', async () => {
    const node = start({
      FN_NODE_TYPE: 'api',
      FN_BIND_ADDRESS: '0.0.0.0',
      FN_ALLOW_INSECURE: '1',
      FN_DB_URL: `sqlite3://${footprint.dataDir}/fn.db`,
    });
    await node.ready();
    expect(node.output).toMatch(/WARN .*TLS is off: anyone who can reach the ports of this node can use it/);
  });

  it.each<[string, Readonly<Record<string, string>>]>([
    ...Object.entries({ ...NODES, api: { ...NODES.api, FN_DB_URL: DATABASE } }),
    ['full', { ...NODES['pure-runner'], FN_NODE_TYPE: 'full', FN_DB_URL: DATABASE }],
    ['lb of two workers', { ...LB, FN_WORKERS: '2', FN_PORT: '' }],
  ])('a node that starts (%s) warns once of a variable that nothing reads', async (_, settings) => {
    const port = settings.FN_PORT ?? '0';
    const node = start({ ...settings, FN_PORT: port === '' ? `${await freePorts(1)}` : port, FN_LOG_LEVLE: 'debug' });
    await node.ready();
    expect(node.output.match(/WARN .*unknown setting has no effect.*FN_LOG_LEVLE.*/g)).toEqual([
      expect.stringContaining('did you mean FN_LOG_LEVEL?'),
    ]);
  });

  it('one that cannot start for what is missing names the variable that was meant to be it', async () => {
    const output = await refusal({ FN_NODE_TYPE: 'lb', FN_RUNNER_APIURL: 'http://api' });
    expect(output).toContain('FN_RUNNER_API_URL: required');
    expect(output).toContain('FN_RUNNER_APIURL has no effect: did you mean FN_RUNNER_API_URL?');
  });

  it('names the TLS files that are missing or wrong', async () => {
    const some = await refusal({ ...LB, FN_TLS_CERT: '/a.crt' });
    expect(some).toContain('FN_TLS_KEY, FN_TLS_CA: missing');
    const wrong = await refusal({ ...LB, FN_TLS_CERT: '/nonexistent', FN_TLS_KEY: __filename, FN_TLS_CA: __filename });
    expect(wrong).toContain('FN_TLS_CERT: /nonexistent cannot be read: ENOENT');
    expect(wrong).toMatch(/FN_TLS_CA: .* has no certificate/);
  });

  it('http-api 9: names the roles there are', async () => {
    const output = await refusal({ FN_NODE_TYPE: 'worker' });
    expect(output).toContain('FN_NODE_TYPE: expected one of full, api, lb, pure-runner, got "worker"');
  });

  it('names the placers there are', async () => {
    const output = await refusal({ ...LB, FN_PLACER: 'chh' });
    expect(output).toContain('FN_PLACER: unknown placer "chh"; known: naive, ch, ch-fn');
  });

  it('a runner without a Docker engine says what can be done', async () => {
    const output = await refusal({ ...RUNNER, DOCKER_HOST: 'unix:///nonexistent' });
    expect(output).toContain('cannot reach the Docker engine at unix:///nonexistent');
    expect(output).toMatch(/Start it.*DOCKER_HOST.*FN_DRIVER=process/);
  });

  it('says it as JSON where the log is JSON', async () => {
    const failures: [Record<string, string>, object][] = [
      [
        { FN_NODE_TYPE: 'lb', FN_PORT: 'x' },
        { error: expect.any(String), problems: expect.arrayContaining([expect.stringMatching(/^FN_PORT: /)]) },
      ],
      [{ FN_NODE_TYPE: 'worker' }, { problems: [expect.stringMatching(/^FN_NODE_TYPE: /)] }],
      [
        { ...RUNNER, DOCKER_HOST: 'unix:///nonexistent' },
        { error: expect.stringContaining('cannot reach the Docker engine') },
      ],
      [
        { FN_NODE_TYPE: 'api', FN_DB_URL: `sqlite3://${__filename}` },
        { error: expect.stringMatching(/FN_DB_URL: \S*bad-settings\S*: file is not a database/) },
      ],
    ];
    for (const [settings, told] of failures) {
      const output = await refusal({ ...settings, FN_LOG_FORMAT: 'json' });
      const lines = output
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { level: string });
      expect(lines.filter(({ level }) => level === 'error')).toEqual([
        expect.objectContaining({ message: 'cannot start', role: settings.FN_NODE_TYPE, ...told }),
      ]);
    }
  });

  it('names the variable of a port that is taken', async () => {
    const port = await freePorts(1);
    const other = await listenOn(port);
    try {
      const [http, grpc] = await Promise.all([
        refusal({ ...LB, FN_PORT: `${port}` }),
        refusal({ ...RUNNER, FN_GRPC_PORT: `${port}` }),
      ]);
      expect(http).toMatch(`cannot listen on ${HOST}:${port} (FN_PORT, FN_BIND_ADDRESS)`);
      expect(grpc).toMatch(`cannot listen on ${HOST}:${port} (FN_GRPC_PORT, FN_BIND_ADDRESS)`);
    } finally {
      await new Promise((resolve) => other.close(resolve));
    }
  });

  it('http-api 11: takes a port from a file, and says so when there is none', async () => {
    const port = await freePorts(1);
    const file = path.join(footprint.folder, 'port');
    writeFileSync(file, `${port}\n`);

    const node = start({ ...LB, FN_PORT: '', FN_PORT_FILE: file });
    await node.ready();
    expect((await invoke(`http://${HOST}:${port}/version`, { method: 'GET' })).status).toBe(200);

    const missing = `${file}-of-nobody`;
    expect(await refusal({ ...LB, FN_PORT: '', FN_PORT_FILE: missing })).toContain(
      `FN_PORT_FILE: cannot read "${missing}"`,
    );
  });

  it('does not wait for a pipe, nor read a device without end, wherever a file is named', async () => {
    const pipe = path.join(footprint.folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const file of [pipe, '/dev/zero', footprint.folder]) {
      const token = await refusal({ ...LB, FN_OPERATOR_TOKEN_FILE: file });
      expect(token).toContain(`FN_OPERATOR_TOKEN_FILE: cannot read ${JSON.stringify(file)}: `);
      const tls = await refusal({ ...LB, FN_TLS_CERT: file, FN_TLS_KEY: file, FN_TLS_CA: file });
      for (const name of ['FN_TLS_CERT', 'FN_TLS_KEY', 'FN_TLS_CA'])
        expect(tls).toMatch(`${name}: ${file} cannot be read`);
    }
  });

  it.each(Object.entries(NODES))(
    '%s serves with the largest number in every setting of time and size',
    async (name, env) => {
      const { settings } = ROLES[name as keyof typeof ROLES];
      const most = Object.values(settings).flatMap(({ name: setting, expects }) =>
        /milliseconds|duration|bytes/.test(expects) ? [[setting, `${Number.MAX_SAFE_INTEGER}`]] : [],
      );
      // A duration without a unit is seconds.
      const durations = Object.values(settings).flatMap(({ name: setting, expects }) =>
        /duration/.test(expects) ? [[setting, `${Number.MAX_SAFE_INTEGER}ms`]] : [],
      );
      const node = start({ ...Object.fromEntries([...most, ...durations]), ...env, FN_DB_URL: DATABASE });
      const [url] = await node.prints(/http:\/\/127\.0\.0\.1:\d+/);
      expect((await invoke(`${url}/readyz`, { method: 'GET' })).status).toBe(200);
      node.signal('SIGTERM');
      await node.ended;
    },
  );

  it('a balancer whose api node is away says so to callers, and lives on', async () => {
    const node = start(LB);
    const [url] = await node.prints(/http:\/\/127\.0\.0\.1:\d+/);

    const failure = [503, 'Functions cannot be looked up right now'];
    expect(errorOf(await invoke(`${url}/invoke/01D1ZVPBKV180G40RZJ0000001`))).toEqual(failure);
    expect(errorOf(await invoke(`${url}/t/app/source`))).toEqual(failure);
    // The operator is told which node, the caller is not.
    expect(node.output).toContain('ECONNREFUSED');

    expect((await invoke(`${url}/version`, { method: 'GET' })).status).toBe(200);
    node.signal('SIGTERM');
    expect(await node.ended).toEqual({ code: 0, signal: null });
  });
});

function listenOn(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, HOST, () => resolve(server));
  });
}

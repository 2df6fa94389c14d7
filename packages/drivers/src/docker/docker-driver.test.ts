// needs: docker
// takes: 21 s
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { count, Deferred, type Environment, type MetricName, MIB, RecordedMetrics, readSettings } from '@fnfleet/core';
import Docker from 'dockerode';
import type { Container, ContainerSpec } from '../driver.js';
import { aSpec, describeDriver } from '../testing/describe-driver.js';
import { callFunction, functionImage } from '../testing/test-functions.js';
import { DockerDriver } from './docker-driver.js';
import { dockerSettings } from './docker-settings.js';
import { TinyImages } from './test-kit/tiny-images.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

const docker = new Docker();
const never = new AbortController().signal;
let image: string;

beforeAll(async () => {
  image = await functionImage('probe');
}, 60_000);

function aDriver(env: Environment = {}): DockerDriver {
  return new DockerDriver({ settings: readSettings(dockerSettings, env) });
}

describeDriver('docker', async (iofsPath) => ({
  driver: aDriver({ FN_IOFS_PATH: iofsPath }),
  image,
  exits: { env: { PROBE_INIT_EXIT: '3' } },
  leftovers: async (appId) => {
    const found = await docker.listContainers({ all: true, filters: { label: [`fn-app-id=${appId}`] } });
    return found.map(({ Id }) => Id);
  },
}));

describe('a container of the docker driver', () => {
  const drivers: DockerDriver[] = [];

  afterEach(async () => {
    await Promise.all(drivers.splice(0).map((driver) => driver.close()));
  });

  function using(env: Environment): DockerDriver {
    const driver = aDriver(env);
    drivers.push(driver);
    return driver;
  }

  async function created(env: Environment = {}, overrides: Partial<ContainerSpec> = {}): Promise<Container> {
    return using(env).create(aSpec({ image, ...overrides }), never);
  }

  async function running(env: Environment = {}, overrides: Partial<ContainerSpec> = {}): Promise<Container> {
    const container = await created(env, overrides);
    await container.start(never);
    await container.listening(never);
    return container;
  }

  async function ask(container: Container, knobs: object): Promise<Record<string, unknown>> {
    return JSON.parse((await callFunction(container.socketPath, knobs)).body) as Record<string, unknown>;
  }

  it('gets at least the minimums of the engine; a function that cannot be created is its own fault', async () => {
    await created({}, { memoryMb: 1, cpuMillis: 1 });
    const images = new TinyImages();
    const hollow = await images.make('fnfleet/hollow', 'test');
    const container = await using({}).create(aSpec({ image: hollow }), never);
    await container.start(never);
    expect((await container.wait()).exitCode).toBe(127);
    await container.close();
    await images.removeAll();
    const refused = using({}).create(aSpec({ image, env: { '': 'x' } }), never);
    await expect(refused).rejects.toMatchObject({ code: 'containerRefused', blame: 'function', status: 400 });
  });

  it('has no health check, whatever its image defines: it would run in an idle one and fail in a frozen one', async () => {
    const images = new TinyImages();
    const checked = await images.makeChecked(image, 'fnfleet/checked');
    // As anybody else starts it, the engine looks after its health.
    const theirs = await docker.createContainer({
      Image: checked,
      Entrypoint: ['node'],
      Cmd: ['-e', 'setInterval(() => {}, 1e6)'],
    });
    const ours = await running({}, { image: checked });
    try {
      await theirs.start();
      expect((await theirs.inspect()).State.Health).toMatchObject({ Status: 'starting' });
      const { State } = await docker.getContainer(ours.id).inspect();
      expect(State).toMatchObject({ Running: true });
      expect(State.Health).toBeUndefined();
    } finally {
      await theirs.remove({ force: true });
      await ours.close();
      await images.removeAll();
    }
  });

  it('agent-and-docker 51: is isolated, as the engine reports', async () => {
    const container = await created({}, { memoryMb: 64 });
    const { Name, Config, HostConfig } = await docker.getContainer(container.id).inspect();
    expect(Name).toBe(`/${container.id}`);
    expect(Config.Cmd).toBeNull();
    expect(HostConfig).toMatchObject({
      Init: true,
      ReadonlyRootfs: true,
      Tmpfs: { '/tmp': '' },
      Binds: [expect.stringMatching(/^\/.*\/iofs\w+:\/tmp\/iofs$/)],
      LogConfig: { Type: 'none' },
      Memory: 64 * 1024 * 1024,
      MemorySwap: 64 * 1024 * 1024,
    });
  });

  it('agent-and-docker 52: has neither root nor capabilities, and limits on processes and files', async () => {
    const container = await running();
    const { uid, read, written, forked } = (await ask(container, {
      read: ['/proc/self/status', '/proc/self/limits'],
      write: [{ path: '/outside', bytes: 1 }],
      fork: 60,
    })) as { uid: number; read: { text: string }[]; written: object[]; forked: { error: string } };
    expect(uid).toBe(1000);
    expect(written).toEqual([{ path: '/outside', error: 'EROFS' }]);
    expect(forked.error).toBe('EAGAIN');
    expect(read[0]?.text).toMatch(/^CapBnd:\s+0+$/m);
    expect(read[0]?.text).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(read[1]?.text).toMatch(/^Max open files\s+350\s+350/m);
    expect(read[1]?.text).toMatch(/^Max locked memory\s+65536\s+65536/m);
    expect(read[1]?.text).toMatch(/^Max pending signals\s+5000\s+5000/m);
    expect(read[1]?.text).toMatch(/^Max msgqueue size\s+819200\s+819200/m);
  });

  it("agent-and-docker 52: is the image's own user when that is asked for", async () => {
    const container = await created({ FN_DISABLE_UNPRIVILEGED_CONTAINERS: '1' });
    const { HostConfig } = await docker.getContainer(container.id).inspect();
    expect(HostConfig).toMatchObject({ CapDrop: null, SecurityOpt: null, PidsLimit: 50 });
  });

  it('agent-and-docker 53: has a /tmp of the requested size', async () => {
    const container = await running({ FN_MAX_TMPFS_INODES: '1025' }, { tmpfsMb: 1 });
    const { read, written } = (await ask(container, {
      read: ['/proc/mounts'],
      write: [{ path: '/tmp/large', bytes: 4 * 1024 * 1024 }],
    })) as { read: { text: string }[]; written: object[] };
    expect(read[0]?.text).toMatch(/ \/tmp tmpfs \S*size=1024k,nr_inodes=1025/);
    expect(written).toEqual([{ path: '/tmp/large', error: 'ENOSPC' }]);
  });

  it('agent-and-docker 53: has an unlimited /tmp if no size is requested', async () => {
    const large = { path: '/tmp/large', bytes: 4 * 1024 * 1024 };
    expect(await ask(await running(), { write: [large] })).toMatchObject({ written: [large] });
  });

  it('agent-and-docker 54: gets the requested CPU share', async () => {
    const half = await created({}, { cpuMillis: 500 });
    const all = await created();
    expect((await docker.getContainer(half.id).inspect()).HostConfig).toMatchObject({
      CpuQuota: 50_000,
      CpuPeriod: 100_000,
    });
    expect((await docker.getContainer(all.id).inspect()).HostConfig).toMatchObject({ CpuQuota: 0, CpuPeriod: 0 });
  });

  it('agent-and-docker 59: has no network if that is requested', async () => {
    const container = await created({}, { networkDisabled: true });
    expect((await docker.getContainer(container.id).inspect()).HostConfig.NetworkMode).toBe('none');
  });

  it('agent-and-docker 55: joins the network with the fewest containers', async () => {
    const driver = using({ FN_DOCKER_NETWORKS: 'none bridge' });
    const networkOf = async ({ id }: Container) => (await docker.getContainer(id).inspect()).HostConfig.NetworkMode;
    const first = await driver.create(aSpec({ image }), never);
    const second = await driver.create(aSpec({ image }), never);
    expect([await networkOf(first), await networkOf(second)]).toEqual(['none', 'bridge']);
    await second.close();
    expect(await networkOf(await driver.create(aSpec({ image }), never))).toBe('bridge');
  });

  it('reports that it ran out of memory', async () => {
    const container = await running({}, { memoryMb: 64 });
    const ended = container.wait();
    await expect(callFunction(container.socketPath, { hogMb: 200 })).rejects.toThrow();
    expect(await ended).toEqual({ exitCode: 137, outOfMemory: true });
  });

  it('appears in the metrics: its memory, its CPU, the requests to the engine', async () => {
    metrics.reset();
    const driver = using({});
    const container = await driver.create(aSpec({ image, memoryMb: 64 }), never);
    await container.start(never);
    while (metrics.values('docker_stats_cpu_total').length === 0) await sleep(100);
    const last = (name: MetricName) => metrics.values(name).at(-1) ?? 0;
    expect(last('docker_stats_mem_limit')).toBe(64 * MIB);
    expect(last('docker_stats_mem_usage')).toBeGreaterThan(0);
    expect(metrics.sum('docker_events', { event_action: 'start', event_type: 'container' })).toBeGreaterThan(0);
    expect(metrics.sum('docker_instance_id')).not.toBe(0);
    await driver.close();
    expect(metrics.sum('docker_instance_id')).toBe(0);
  });

  it('agent-and-docker 89: counts how it ended: by an exit, a kill or its removal', async () => {
    const [exits, killed, removed] = await Promise.all([running(), running(), running()]);
    metrics.reset();
    await expect(callFunction(exits.socketPath, { exitCode: 7 })).rejects.toThrow();
    await docker.getContainer(killed.id).kill();
    await Promise.all([exits.wait(), killed.wait()]);
    await removed.close();
    const counted = (exit_status: string) =>
      metrics.sum('docker_exits', { api_name: 'docker_wait_container', exit_status });
    expect([counted('exit_7'), counted('exit_137'), counted('ctx_canceled')]).toEqual([1, 1, 1]);
  });

  it('agent-and-docker 58: cannot start when its syslog is unreachable', async () => {
    const container = await created({}, { syslogUrl: 'tcp://127.0.0.1:9' });
    const { HostConfig } = await docker.getContainer(container.id).inspect();
    expect(HostConfig.LogConfig).toEqual({
      Type: 'syslog',
      Config: {
        'syslog-address': 'tcp://127.0.0.1:9',
        'syslog-facility': 'user',
        'syslog-format': 'rfc5424',
        tag: 'app_id=app,fn_id=fn',
      },
    });
    await expect(container.start(never)).rejects.toMatchObject({ code: 'syslogUnavailable', status: 500 });
  });

  it('sends its output both to syslog, through the engine, and to its runner', async () => {
    const syslog = createSocket('udp4').bind(0, '127.0.0.1');
    await once(syslog, 'listening');
    const logged = once(syslog, 'message');
    const printed = new Deferred<string>();
    const container = await running(
      {},
      {
        syslogUrl: `udp://127.0.0.1:${syslog.address().port}`,
        output: (chunk, source) => printed.resolve(`${source}: ${chunk}`),
      },
    );
    await ask(container, { stdout: ['to both'] });
    expect(await printed.promise).toBe('stdout: to both\n');
    expect(String((await logged)[0])).toMatch(/app_id=app,fn_id=fn .* to both/);
    await new Promise<void>((resolve) => syslog.close(() => resolve()));
  });

  it('agent-and-docker 83: has nothing attached without a listener', async () => {
    const attached = async (overrides: Partial<ContainerSpec>) =>
      (await docker.getContainer((await created({}, overrides)).id).inspect()).Config.AttachStdout;
    expect(await attached({})).toBe(false);
    expect(await attached({ output: () => undefined })).toBe(true);
  });

  it('agent-and-docker 31: that lost its image is left to another runner', async () => {
    await expect(created({}, { image: 'fnfleet/removed-meanwhile:1' })).rejects.toMatchObject({ code: 'serverBusy' });
  });

  it('does not touch a container of its name that another process created', async () => {
    const driver = using({});
    const spec = aSpec({ image });
    const theirs = await docker.createContainer({ name: spec.id, Image: image });
    try {
      await expect(driver.create(spec, never)).rejects.toThrow('already in use');
      await driver.close();
      expect((await theirs.inspect()).State.Status).toBe('created');
    } finally {
      await theirs.remove();
    }
  });
});

describe('containers of a previous runner', () => {
  const made: Docker.Container[] = [];

  afterEach(async () => {
    await Promise.all(made.splice(0).map((container) => container.remove({ force: true }).catch(() => undefined)));
  });

  async function leftBehind(tag: string, instance: string): Promise<Docker.Container> {
    const Labels = { 'fn-agent-classifier': tag, 'fn-agent-instance': instance };
    const container = await docker.createContainer({ Image: image, Labels });
    made.push(container);
    return container;
  }

  async function exists(container: Docker.Container): Promise<boolean> {
    return container.inspect().then(
      () => true,
      () => false,
    );
  }

  it("agent-and-docker 56: are removed by the operator's tag, running or not", async () => {
    const dead = await leftBehind('runner-7', 'earlier');
    const alive = await leftBehind('runner-7', 'earlier');
    const foreign = await leftBehind('runner-8', 'earlier');
    await alive.start();
    const driver = aDriver({ FN_CONTAINER_LABEL_TAG: 'runner-7' });
    await driver.ready;
    await driver.close();
    expect(await Promise.all([dead, alive, foreign].map(exists))).toEqual([false, false, true]);
  });

  it('agent-and-docker 56: are removed if the process is gone, and left alone if it is alive', async () => {
    const first = aDriver();
    const own = await first.create(aSpec({ image }), never);
    const { Labels } = (await docker.getContainer(own.id).inspect()).Config;
    const instance = Labels['fn-agent-instance'] ?? '';
    // Another start time under this process id: the number was given out again.
    const gone = await leftBehind('fnfleet', instance.replace(/\d+$/, '1'));
    const elsewhere = await leftBehind('fnfleet', instance.replace(/^[^/]+/, 'another-machine'));
    const unreadable = await leftBehind('fnfleet', 'written by something else');
    const second = aDriver();
    await second.ready;
    await second.close();
    expect(await Promise.all([gone, elsewhere, unreadable].map(exists))).toEqual([false, true, true]);
    expect(await exists(docker.getContainer(own.id))).toBe(true);
    await first.close();
  });
});

describe('the socket directory of a function that litters it', () => {
  const LITTER = `
    const fs = require('node:fs');
    const tried = (make) => { try { make(); return 'ok'; } catch ({ code }) { return code; } };
    process.chdir('/tmp/iofs');
    fs.mkdirSync('sticky');
    fs.chmodSync('sticky', 0o1777);
    fs.writeFileSync('sticky/file', '');
    fs.mkdirSync('shut/in', { recursive: true });
    fs.chmodSync('shut', 0);
    const outcomes = [];
    for (let i = 0; i < 60; i += 1) {
      outcomes.push(tried(() => { fs.mkdirSync('d'); process.chdir('d'); }));
    }
    process.chdir('/tmp/iofs');
    for (let i = 0; i < 500; i += 1) outcomes.push(tried(() => fs.writeFileSync('f' + i, 'x')));
    outcomes.push(tried(() => fs.writeFileSync('f0', Buffer.alloc(2_000_000))));
    console.log(JSON.stringify([...new Set(outcomes)]));`;

  async function litter(container: Container): Promise<string> {
    const exec = await docker
      .getContainer(container.id)
      .exec({ Cmd: ['node', '-e', LITTER], AttachStdout: true, AttachStderr: true });
    const stream = await exec.start({});
    let said = '';
    for await (const chunk of stream) said += String(chunk.subarray(8));
    return said.trim();
  }

  it.each`
    tmpfs        | outcomes
    ${undefined} | ${['ok', 'ENOSPC']}
    ${'1'}       | ${['ok', 'ENOSPC']}
    ${'0'}       | ${['ok']}
  `('is gone soon after it, and others are served (FN_IOFS_TMPFS=$tmpfs)', async ({ tmpfs, outcomes }) => {
    const parent = await mkdtemp(join(tmpdir(), 'fnl'));
    const driver = aDriver({ FN_IOFS_PATH: parent, FN_IOFS_TMPFS: tmpfs });
    const [hostile, other] = await Promise.all([0, 1].map(() => driver.create(aSpec({ image }), never)));
    if (hostile === undefined || other === undefined) throw new Error('not made');
    for (const container of [hostile, other]) {
      await container.start(never);
      await container.listening(never);
    }
    expect(JSON.parse(await litter(hostile))).toEqual(outcomes);
    expect((await callFunction(hostile.socketPath)).status).toBe(200);
    await hostile.close();
    while (metrics.sum('iofs_directories_left') > 0) await sleep(20);
    await expect(stat(dirname(hostile.socketPath))).rejects.toThrow('ENOENT');
    expect((await callFunction(other.socketPath)).status).toBe(200);
    await driver.close();
    expect(await readdir(parent)).toEqual([]);
    await rm(parent, { recursive: true });
  });
});

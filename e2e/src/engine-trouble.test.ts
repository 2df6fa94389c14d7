// takes: 43 s
import { readdirSync } from 'node:fs';
import { type Agent, agentSettings, fromModelAndInput, newAgent, withWriter } from '@fnfleet/agent';
import { completeBody, MIB, readSettings } from '@fnfleet/core';
import { type ContainerSpec, type DockerDriver, dockerDriver, dockerSettings } from '@fnfleet/drivers';
import { aCall, RecordingWriter, until } from '@fnfleet/testing';
import { PATIENCE } from './harness/fleet.js';
import { MICRO_IMAGE } from './harness/paths.js';
import { PrivateEngine } from './harness/private-engine.js';

jest.setTimeout(120_000);

/** Short, so that a test sees in seconds what takes an operator's runner a minute. */
const QUICK = {
  FN_DOCKER_PROBE_INTERVAL_MSECS: '500',
  FN_DOCKER_PROBE_TIMEOUT_MSECS: '2000',
  FN_DOCKER_QUERY_TIMEOUT_MSECS: '5000',
  FN_DOCKER_CHANGE_TIMEOUT_MSECS: '6000',
  FN_DOCKER_REAP_INTERVAL_MSECS: '500',
  FN_DOCKER_REAP_GRACE_MSECS: '500',
} as const;

/** What waits for an engine that hangs takes as long as a change may take; less than that, on any machine, is at once. */
const WAITING_MS = Number(QUICK.FN_DOCKER_CHANGE_TIMEOUT_MSECS);

const never = new AbortController().signal;

describe('a runner whose Docker engine', () => {
  let engine: PrivateEngine;
  let driver: DockerDriver;
  let agent: Agent;

  async function begin(options: { liveRestore?: boolean } = {}): Promise<void> {
    engine = await PrivateEngine.start(options);
    await engine.copyImage(MICRO_IMAGE);
    driver = dockerDriver({ settings: readSettings(dockerSettings, { ...engine.settings, ...QUICK }) });
    const totals = { memoryBytes: 4096 * MIB, cpuMillis: 8000 };
    agent = newAgent({ driver, settings: readSettings(agentSettings, PATIENCE), totals });
    await agent.ready;
  }

  afterEach(async () => {
    engine.thaw();
    await agent.close();
    expect(await engine.containers()).toEqual([]);
    expect(readdirSync(engine.settings.FN_IOFS_PATH ?? '')).toEqual([]);
    expect(agent.utilization.memoryUsedBytes).toBe(0);
  });

  afterEach(() => engine.close());

  /** Calls a function, and says with what status it was answered. */
  async function call(fnId: string): Promise<number> {
    const model = aCall({ image: MICRO_IMAGE, fnId, timeoutSeconds: 60, idleTimeoutSeconds: 3600, memoryMb: 64 });
    const writer = new RecordingWriter();
    const built = await agent.getCall(fromModelAndInput(model, completeBody(Buffer.from('x'))), withWriter(writer));
    return agent.submit(built).then(
      () => writer.status ?? 0,
      (error) => error.status,
    );
  }

  const becomes = (state: 'ok' | 'degraded') =>
    until({ what: `a runner that is ${state}`, look: () => agent.health.state === state || undefined });

  const containersBecome = (expected: (names: string[]) => boolean) =>
    until({
      what: 'the right containers',
      look: async () => {
        const names = await engine.containers();
        return expected(names) ? names : undefined;
      },
    });

  it('hangs: hot containers serve on, new ones are refused at once, and nothing is left of what hung', async () => {
    await begin();
    expect(await call('hot')).toBe(200);
    const [hot] = await engine.containers();

    engine.freeze();
    const launching = call('cold');
    const half = driver.create(aSpec('half-made'), never).catch((error) => error);
    await becomes('degraded');
    expect(agent.health.reason).toMatch(
      /Docker engine at unix:.* cannot be used: .* did not answer ping within 2000 ms/,
    );
    expect(await launching).toBe(503);
    expect(await call('hot')).toBe(200);
    const refusedFrom = Date.now();
    expect(await call('cold')).toBe(503);
    expect(Date.now() - refusedFrom).toBeLessThan(WAITING_MS);
    // Given up by its deadline; the daemon has it in its queue, and will make it.
    expect(await half).toMatchObject({ code: 'serverBusy' });

    engine.thaw();
    await becomes('ok');
    expect(await call('cold')).toBe(200);
    const left = await containersBecome((names) => names.length === 2);
    expect(left).toContain(hot);
    expect(left).not.toContain('half-made');
  });

  it('goes away for good: the runner can end all the same', async () => {
    await begin();
    expect(await call('a')).toBe(200);
    await engine.stopDaemon('SIGKILL');
    await becomes('degraded');
    await agent.close();
    expect(agent.utilization.memoryUsedBytes).toBe(0);

    await engine.startDaemon();
    // What it could not remove is the next runner's to find; this one's process still lives.
    const [left = ''] = await engine.containers();
    await engine.docker.getContainer(left).remove({ force: true });
  });

  it('hangs for good: the runner can end all the same', async () => {
    await begin();
    expect(await call('hot')).toBe(200);
    engine.freeze();
    await becomes('degraded');
    await agent.close();
    expect(agent.utilization.memoryUsedBytes).toBe(0);

    engine.thaw();
    // The engine now does what it was asked while it hung.
    await containersBecome((names) => names.length === 0);
  });

  it('restarts and leaves containers alone: they serve on, and one that ended meanwhile is noticed', async () => {
    await begin({ liveRestore: true });
    expect(await Promise.all([call('lives'), call('dies')])).toEqual([200, 200]);
    const before = await engine.containers();
    const dying = await containerOf('dies');
    const process_ = await engine.processOf(dying);

    await engine.stopDaemon('SIGKILL');
    await becomes('degraded');
    process.kill(process_, 'SIGKILL');
    expect(await call('lives')).toBe(200);
    expect(await call('new')).toBe(503);

    await engine.startDaemon({ liveRestore: true });
    await becomes('ok');
    await containersBecome((names) => !names.includes(dying));
    expect(await Promise.all([call('lives'), call('dies')])).toEqual([200, 200]);
    const after = await engine.containers();
    expect(after).toHaveLength(2);
    expect(after.filter((name) => before.includes(name))).toHaveLength(1);
  });

  it.each`
    signal       | meanwhile
    ${'SIGTERM'} | ${503}
    ${'SIGKILL'} | ${200}
  `(
    'restarts after $signal and takes all containers along: calls are $meanwhile until then, and served when it is back',
    async ({ signal, meanwhile }) => {
      await begin();
      expect(await Promise.all([call('a'), call('b')])).toEqual([200, 200]);
      const before = await engine.containers();

      await engine.stopDaemon(signal);
      await becomes('degraded');
      await until({ what: `a ${meanwhile}`, look: async () => (await call('a')) === meanwhile || undefined });
      await engine.startDaemon();
      await becomes('ok');
      await containersBecome((names) => !names.some((name) => before.includes(name)));
      expect(await Promise.all([call('a'), call('b')])).toEqual([200, 200]);
      expect(await engine.containers()).toHaveLength(2);
    },
  );

  async function containerOf(fnId: string): Promise<string> {
    const [found] = await engine.docker.listContainers({ filters: { label: [`fn-fn-id=${fnId}`] } });
    if (found === undefined) throw new Error(`no container of ${fnId}`);
    return found.Names[0]?.slice(1) ?? '';
  }
});

function aSpec(id: string): ContainerSpec {
  return {
    id,
    image: MICRO_IMAGE,
    env: {},
    memoryMb: 64,
    tmpfsMb: 0,
    cpuMillis: 0,
    appId: 'app',
    fnId: 'fn',
    syslogUrl: '',
    networkDisabled: false,
    extensions: {},
  };
}

import { Deferred, FakeClock, readSettings, silentLogger } from '@fnfleet/core';
import type { ContainerCreateOptions } from 'dockerode';
import { HealthState } from '../../driver-health.js';
import { containerPolicy } from '../container-policy.js';
import { isolationSettings, preforkSettings } from '../docker-settings.js';
import type { Engine, ExitWatch } from '../engine.js';
import { EngineError } from '../engine-errors.js';
import { PreforkPool, RateLimit } from './prefork-pool.js';

/** The part of an engine that the pool uses, in memory. The id of a container is its name in capitals. */
class PoolEngine {
  readonly running = new Map<string, Deferred<number>>();
  readonly requests: ContainerCreateOptions[] = [];
  removed = 0;
  failure: Error | undefined;
  /** What it answers to who looks at a container. */
  looking: Error | undefined;
  private readonly ended = new Set<string>();

  readonly calls: Pick<
    Engine,
    'createContainer' | 'startContainer' | 'removeContainer' | 'watchExit' | 'inspectContainer'
  > = {
    createContainer: async (request) => {
      this.requests.push(request);
      if (this.failure) throw this.failure;
      this.running.set(String(request.name), new Deferred());
      return String(request.name).toUpperCase();
    },
    watchExit: async (name): Promise<ExitWatch> => {
      const exit = this.running.get(name) ?? new Deferred();
      return { exitCode: exit.promise, close: () => undefined };
    },
    startContainer: async () => undefined,
    removeContainer: async (name) => {
      if (!this.running.delete(name)) throw new EngineError(404, 'no such container');
      this.removed += 1;
    },
    inspectContainer: async (name) => {
      if (this.looking) throw this.looking;
      if (!this.running.has(name)) throw new EngineError(404, 'no such container');
      return { running: !this.ended.has(name), outOfMemory: false, pid: 1 };
    },
  };

  /** Ends the container with this id, and does not tell those who watch it yet. */
  endUnseen(network: string): void {
    for (const name of this.running.keys()) if (`container:${name.toUpperCase()}` === network) this.ended.add(name);
  }

  /** Ends the container with this id, as a crash would. */
  end(network: string): void {
    for (const [name, exit] of this.running) if (`container:${name.toUpperCase()}` === network) exit.resolve(1);
  }
}

describe('the prefork pool', () => {
  let clock: FakeClock;
  let engine: PoolEngine;
  let pool: PreforkPool;
  let warnings: string[];

  async function filled(env: Record<string, string>): Promise<void> {
    clock = new FakeClock();
    engine = new PoolEngine();
    await begun(env);
  }

  async function begun(env: Record<string, string>): Promise<void> {
    warnings = [];
    const logger = { ...silentLogger, warn: (line: string) => void warnings.push(line) };
    const policy = await containerPolicy(
      readSettings(isolationSettings, {}),
      {},
      { labels: { of: 'us' }, logger, product: 'docker' },
    );
    pool = new PreforkPool(readSettings(preforkSettings, env), policy, {
      engine: engine.calls as Engine,
      health: new HealthState(),
      clock,
      logger,
      abandon: new AbortController().signal,
    });
    pool.start();
    await clock.advance(0);
  }

  afterEach(async () => {
    const closed = pool.close();
    await clock.advance(0);
    await closed;
    expect([...engine.running.keys()]).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
    expect(await pool.join()).toBeUndefined();
  });

  it('lends each network to one function at a time, the most recently returned first', async () => {
    await filled({ FN_EXPERIMENTAL_PREFORK_POOL_SIZE: '3' });
    const [a, b, c] = [await pool.join(), await pool.join(), await pool.join()];
    expect(new Set([a?.network, b?.network, c?.network]).size).toBe(3);
    expect(await pool.join()).toBeUndefined();
    a?.release();
    c?.release();
    c?.release();
    expect([(await pool.join())?.network, (await pool.join())?.network, await pool.join()]).toEqual([
      c?.network,
      a?.network,
      undefined,
    ]);
  });

  it('creates its containers on the configured networks in turn, isolated like functions', async () => {
    await filled({
      FN_EXPERIMENTAL_PREFORK_POOL_SIZE: '3',
      FN_EXPERIMENTAL_PREFORK_NETWORKS: 'blue green',
      FN_EXPERIMENTAL_PREFORK_CMD: 'sleep  infinity',
      FN_EXPERIMENTAL_PREFORK_IMAGE: 'quiet',
    });
    expect(engine.requests.map(({ HostConfig }) => HostConfig?.NetworkMode)).toEqual(['blue', 'green', 'blue']);
    const name = engine.requests[1]?.name ?? '';
    expect(name).toMatch(/^1_prefork_\w{26}$/);
    expect(pool.has(name)).toBe(true);
    expect(engine.requests[1]).toEqual({
      name,
      Hostname: name,
      Image: 'quiet',
      Cmd: ['sleep', 'infinity'],
      Labels: { of: 'us' },
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: false,
      User: '1000:1000',
      Healthcheck: { Test: ['NONE'] },
      HostConfig: {
        ReadonlyRootfs: true,
        CapDrop: ['all'],
        SecurityOpt: ['no-new-privileges'],
        PidsLimit: 50,
        LogConfig: { Type: 'none', Config: {} },
        NetworkMode: 'green',
      },
    });
  });

  it('replaces a container that exits, lent or not, and does not lend it again', async () => {
    await filled({ FN_EXPERIMENTAL_PREFORK_POOL_SIZE: '2' });
    const lent = await pool.join();
    const free = await pool.join();
    free?.release();
    engine.end(lent?.network ?? '');
    engine.end(free?.network ?? '');
    await clock.advance(0);
    lent?.release();
    const now = [(await pool.join())?.network, (await pool.join())?.network];
    expect(new Set([...now, lent?.network, free?.network, undefined]).size).toBe(5);
    expect([engine.removed, engine.running.size, await pool.join()]).toEqual([2, 2, undefined]);
  });

  it('does not lend a container whose exit was not reported, and replaces it', async () => {
    await filled({ FN_EXPERIMENTAL_PREFORK_POOL_SIZE: '2' });
    const [a, b] = [await pool.join(), await pool.join()];
    a?.release();
    b?.release();
    engine.endUnseen(b?.network ?? '');
    const again = await pool.join();
    expect(again?.network).toBe(a?.network);
    engine.endUnseen(a?.network ?? '');
    again?.release();
    expect(await pool.join()).toBeUndefined();
    await clock.advance(0);
    const now = [(await pool.join())?.network, (await pool.join())?.network];
    expect(new Set([...now, a?.network, b?.network, undefined]).size).toBe(5);
    expect([engine.removed, engine.running.size]).toEqual([2, 2]);
  });

  it('lends nothing while the engine does not answer, and keeps its containers', async () => {
    await filled({ FN_EXPERIMENTAL_PREFORK_POOL_SIZE: '1' });
    engine.looking = new Error('no answer');
    expect(await pool.join()).toBeUndefined();
    engine.looking = undefined;
    expect(await pool.join()).toBeDefined();
    expect(engine.removed).toBe(0);
  });

  it('replaces each container after one use if configured', async () => {
    await filled({ FN_EXPERIMENTAL_PREFORK_POOL_SIZE: '1', FN_EXPERIMENTAL_PREFORK_USE_ONCE: '1' });
    const first = await pool.join();
    expect(await pool.join()).toBeUndefined();
    first?.release();
    await clock.advance(0);
    expect(engine.removed).toBe(1);
    expect((await pool.join())?.network).not.toBe(first?.network);
  });

  it('agent-and-docker 92: removes free and lent containers when it is closed', async () => {
    await filled({ FN_EXPERIMENTAL_PREFORK_POOL_SIZE: '2' });
    const lent = await pool.join();
    await pool.close();
    expect([engine.removed, engine.running.size]).toEqual([2, 0]);
    lent?.release();
  });

  it('does not flood the engine when containers cannot be created, and warns once', async () => {
    clock = new FakeClock();
    engine = new PoolEngine();
    engine.failure = new EngineError(500, 'no space left on device');
    await begun({ FN_EXPERIMENTAL_PREFORK_POOL_SIZE: '1' });
    expect(engine.requests).toHaveLength(20);
    await clock.advance(3_000);
    expect(engine.requests).toHaveLength(50);
    expect(warnings).toEqual(['cannot run a prefork pool container']);
    engine.failure = undefined;
    await clock.advance(100);
    expect(await pool.join()).toBeDefined();
  });
});

describe('the rate of starts', () => {
  const never = new AbortController().signal;

  it('lets a burst pass at once, and then a fixed number per second', async () => {
    const clock = new FakeClock();
    const rate = new RateLimit({ perSecond: 10, burst: 20, clock });
    let through = 0;
    for (let index = 0; index < 40; index += 1) void rate.turn(never).then(() => (through += 1));
    await clock.advance(0);
    expect(through).toBe(20);
    await clock.advance(1_000);
    expect(through).toBe(30);
    await clock.advance(1_000);
    expect(through).toBe(40);
    await clock.advance(60_000);
    for (let index = 0; index < 40; index += 1) void rate.turn(never).then(() => (through += 1));
    await clock.advance(0);
    expect(through).toBe(60);
    await clock.advance(2_000);
    expect([through, clock.pendingTimers]).toEqual([80, 0]);
  });

  it('does not delay callers that have aborted', async () => {
    const clock = new FakeClock();
    const rate = new RateLimit({ perSecond: 1, burst: 1, clock });
    await rate.turn(never);
    const gone = new AbortController();
    const turn = rate.turn(gone.signal);
    gone.abort();
    await turn;
    await rate.turn(gone.signal);
    expect(clock.pendingTimers).toBe(0);
  });
});

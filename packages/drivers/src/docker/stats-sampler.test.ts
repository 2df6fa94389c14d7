import { count, Deferred, FakeClock, RecordedMetrics } from '@fnfleet/core';
import { HealthState } from '../driver-health.js';
import { figuresOf, StatsSampler } from './stats-sampler.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

describe('statistics of containers', () => {
  let clock: FakeClock;
  let running: string[];
  let asked: string[];
  let health: HealthState;
  let sampler: StatsSampler;

  function begin(atOnce: number, hold?: Promise<void>): void {
    metrics.reset();
    clock = new FakeClock();
    asked = [];
    health = new HealthState();
    sampler = new StatsSampler({
      atOnce,
      running: () => running,
      stats: async (name) => {
        asked.push(name);
        await hold;
        if (name === 'gone') throw new Error('No such container');
        return { read: 'now', memory_stats: { usage: name.length } };
      },
      health,
      clock,
    });
    sampler.start();
  }

  afterEach(async () => {
    sampler.close();
    await clock.advance(0);
    expect(clock.pendingTimers).toBe(0);
  });

  it('are sampled in turn, one running container per second', async () => {
    running = ['a', 'bb'];
    begin(1);
    await clock.advance(1_500);
    running = ['bb', 'gone', 'ccc'];
    await clock.advance(3_000);
    expect(asked).toEqual(['a', 'bb', 'bb', 'gone', 'ccc']);
    expect(metrics.values('docker_stats_mem_usage')).toEqual([1, 2, 2, 3]);
  });

  it('are sampled from several at once, and never from more', async () => {
    const hold = new Deferred<void>();
    running = ['a', 'b', 'c'];
    begin(2, hold.promise);
    await clock.advance(5_000);
    expect(asked).toEqual(['a', 'b']);
    hold.resolve();
    await clock.advance(0);
    expect(asked).toEqual(['a', 'b', 'c', 'a']);
  });

  it('are not sampled when disabled, when nothing runs, or while the engine is degraded', async () => {
    running = ['a'];
    begin(0);
    await clock.advance(5_000);
    expect(asked).toEqual([]);
    sampler.close();

    running = [];
    begin(1);
    await clock.advance(5_000);
    health.degrade('hangs');
    running = ['a'];
    await clock.advance(60_000);
    expect(asked).toEqual([]);
    health.recover();
    await clock.advance(0);
    expect(asked).toEqual(['a']);
  });
});

const READ = '2026-11-24T12:00:00Z';

function cpu(total: number, user: number, kernel: number, system: number, processors: object) {
  const { percpu_usage, online_cpus } = processors as { percpu_usage?: number[]; online_cpus?: number };
  return {
    cpu_usage: { total_usage: total, usage_in_usermode: user, usage_in_kernelmode: kernel, percpu_usage },
    system_cpu_usage: system,
    online_cpus,
  };
}

describe('the figures of a container', () => {
  it('are sums over its interfaces and disks, whatever the letter case of an operation', () => {
    const figures = figuresOf({
      read: READ,
      networks: { eth0: { rx_bytes: 1, tx_bytes: 2 }, eth1: { rx_bytes: 10, tx_bytes: 20 } },
      memory_stats: { usage: 5, limit: 50 },
      blkio_stats: {
        io_service_bytes_recursive: [
          { op: 'Read', value: 100 },
          { op: 'read', value: 1 },
          { op: 'WRITE', value: 7 },
          { op: 'Total', value: 108 },
        ],
      },
    });
    expect(figures).toMatchObject({
      docker_stats_net_rx: 11,
      docker_stats_net_tx: 22,
      docker_stats_mem_usage: 5,
      docker_stats_mem_limit: 50,
      docker_stats_disk_read: 101,
      docker_stats_disk_write: 7,
    });
  });

  it.each`
    engine                            | processors                  | total  | user   | kernel
    ${'lists processors (cgroup v1)'} | ${{ percpu_usage: [1, 1] }} | ${150} | ${99}  | ${50}
    ${'counts them (cgroup v2)'}      | ${{ online_cpus: 4 }}       | ${300} | ${199} | ${100}
    ${'does not report them'}         | ${{}}                       | ${75}  | ${49}  | ${25}
  `('CPU is in whole percent of a core when the engine $engine', ({ processors, total, user, kernel }) => {
    const figures = figuresOf({
      read: READ,
      precpu_stats: cpu(1_000, 500, 500, 10_000, processors),
      cpu_stats: cpu(1_750, 999, 750, 11_000, processors),
    });
    expect(figures).toMatchObject({
      docker_stats_cpu_total: total,
      docker_stats_cpu_user: user,
      docker_stats_cpu_kernel: kernel,
    });
  });

  it('CPU is 0 when no time has passed, and with the first reading of an engine', () => {
    const same = cpu(1, 1, 1, 10, {});
    expect(figuresOf({ read: READ, precpu_stats: same, cpu_stats: same })?.docker_stats_cpu_total).toBe(0);
    expect(figuresOf({ read: READ })?.docker_stats_cpu_total).toBe(0);
  });

  it('are missing if the container did not run', () => {
    const empty = { read: '0001-01-01T00:00:00Z' };
    expect(figuresOf(empty)).toBeUndefined();
  });
});

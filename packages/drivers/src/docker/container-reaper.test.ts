import { count, FakeClock, RecordedMetrics, silentLogger } from '@fnfleet/core';
import { HealthState } from '../driver-health.js';
import { ownIdentity } from '../runner-identity.js';
import { ContainerLabels } from './container-labels.js';
import { ContainerReaper } from './container-reaper.js';
import type { Engine, ListedContainer } from './engine.js';
import { EngineError } from './engine-errors.js';

const metrics = RecordedMetrics.install();
count('calls', 0);

describe('the reaper', () => {
  const clock = new FakeClock();
  const labels = new ContainerLabels(undefined);
  const health = new HealthState();
  const tracked = new Set<string>();
  let there: ListedContainer[];
  let stuck: Set<string>;
  /** Whether they run. */
  let runnerContainers: Map<string, boolean>;
  let lists: number;
  let reaper: ContainerReaper;

  beforeEach(() => {
    metrics.reset();
    tracked.clear();
    there = [];
    stuck = new Set();
    runnerContainers = new Map();
    lists = 0;
    const engine: Pick<Engine, 'listContainers' | 'inspectContainer' | 'removeContainer'> = {
      listContainers: async () => {
        lists += 1;
        return there;
      },
      inspectContainer: async (id) => {
        if (!runnerContainers.has(id)) throw new EngineError(404, 'no such container');
        return { running: runnerContainers.get(id) ?? false, outOfMemory: false, pid: 1 };
      },
      removeContainer: async (id) => {
        if (stuck.has(id)) throw new EngineError(500, 'busy');
        there = there.filter(({ Id }) => Id !== id);
      },
    };
    reaper = new ContainerReaper({
      engine: engine as Engine,
      labels,
      isTracked: (name) => tracked.has(name),
      health,
      intervalMs: 60_000,
      graceMs: 90_000,
      clock,
      logger: silentLogger,
    });
    reaper.start();
  });

  afterEach(() => {
    reaper.close();
    expect(clock.pendingTimers).toBe(0);
  });

  function aContainer(Id: string, Labels: Readonly<Record<string, string>> = labels.own): void {
    there.push({ Id, Names: [`/${Id}`], Labels });
  }

  const names = () => there.map(({ Id }) => Id);

  it('removes our untracked containers after the grace', async () => {
    tracked.add('kept');
    aContainer('kept');
    aContainer('lost');
    await clock.advance(120_000);
    expect(names()).toEqual(['kept', 'lost']);
    await clock.advance(60_000);
    expect(names()).toEqual(['kept']);
    expect(metrics.sum('containers_reaped', { reason: 'untracked' })).toBe(1);
  });

  it('a container that is tracked in between gets a new grace', async () => {
    aContainer('late');
    await clock.advance(60_000);
    tracked.add('late');
    await clock.advance(60_000);
    tracked.clear();
    await clock.advance(60_000);
    expect(names()).toEqual(['late']);
  });

  it('removes the containers of gone runners at once, and no others', async () => {
    const instance = labels.instance;
    aContainer('gone', { 'fn-agent-instance': instance.replace(/\d+$/, '1') });
    aContainer('neighbour', { 'fn-agent-instance': instance.replace(/^[^/]+/, 'another-machine') });
    aContainer('same-process', new ContainerLabels(undefined).own);
    aContainer('foreign', {});
    await clock.advance(600_000);
    expect(names()).toEqual(['neighbour', 'same-process', 'foreign']);
    expect(metrics.sum('containers_reaped', { reason: 'runner_gone' })).toBe(1);
  });

  it('the containers of a runner in another container are removed once that container no longer runs', async () => {
    const made = (runner: string) => ({ 'fn-agent-instance': 'other/boot/pid:[1]/1/1', 'fn-agent-container': runner });
    for (const runner of ['lives', 'stopped', 'removed']) aContainer(`of-${runner}`, made(runner));
    runnerContainers.set('lives', true).set('stopped', false);
    await clock.advance(60_000);
    expect(names()).toEqual(['of-lives']);
    runnerContainers.delete('lives');
    await clock.advance(60_000);
    expect(names()).toEqual([]);
  });

  it('with a configured tag, every other process with that tag counts as gone', () => {
    const own = new ContainerLabels('runner-7');
    const earlier = new ContainerLabels('runner-7', { ...ownIdentity(), pid: 1 });
    expect(own.ownerOf(own.own)).toBe('self');
    expect(own.ownerOf(earlier.own)).toBe('gone');
  });

  it('retries what it could not remove', async () => {
    aContainer('stuck', { 'fn-agent-instance': labels.instance.replace(/\d+$/, '1') });
    stuck.add('stuck');
    await clock.advance(60_000);
    expect(names()).toEqual(['stuck']);
    stuck.clear();
    await clock.advance(60_000);
    expect(names()).toEqual([]);
  });

  it('leaves a degraded engine alone', async () => {
    health.degrade('hangs');
    await clock.advance(600_000);
    expect(lists).toBe(0);
    health.recover();
    await clock.advance(60_000);
    expect(lists).toBe(1);
  });
});

import { TurnoverMap, TurnoverSet } from '@fnfleet/core';
import { addressKey } from '@fnfleet/discovery';
import type { Candidate, Fleet } from '../candidate.js';
import type { Runner, RunnerList } from '../runner.js';
import type { HealthOptions } from './health-options.js';
import { RunnerView, type RunnerViewDeps } from './runner-view.js';

const NONE: Iterable<RunnerView> = [];

/** The runners of one list of the pool. Made once for each list, however many calls are placed by it. */
export class FleetSnapshot implements Fleet {
  private readonly members: ReadonlyMap<Candidate, RunnerView>;

  constructor(
    readonly candidates: readonly RunnerView[],
    private readonly view: FleetView,
  ) {
    this.members = new Map(candidates.map((candidate) => [candidate, candidate]));
  }

  get inFlight(): number {
    return this.view.inFlight;
  }

  has(candidate: Candidate): boolean {
    return this.members.has(candidate);
  }

  /** @throws Error when the runner is not of this list: the mistake of a placer */
  viewOf(candidate: Candidate): RunnerView {
    const view = this.members.get(candidate);
    if (view === undefined)
      throw new Error(`the placer chose ${candidate?.address}, which is not among the candidates`);
    return view;
  }

  warm(fnId: string): Iterable<RunnerView> {
    return this.view.warmFor(fnId, this.members);
  }
}

/** How long the answer to whether the fleet is ill is good for, milliseconds: it is asked for each call that meets an ejected runner. */
const PANIC_CHECK_MS = 100;

/** What this balancer knows about all the runners that it has met, whichever lists they are on. */
export class FleetView {
  inFlight = 0;
  private readonly views = new WeakMap<Runner, RunnerView>();
  private readonly snapshots = new WeakMap<RunnerList['runners'], FleetSnapshot>();
  /** By function: where it is believed to have a free hot container. */
  private readonly warmRunners = new TurnoverMap<string, TurnoverSet<RunnerView>>();
  /** By key of their address: a runner that leaves and comes back is still cordoned. */
  private readonly cordoned = new Map<string, string>();
  private readonly deps: RunnerViewDeps;
  private latest: FleetSnapshot | undefined;
  private panicking = false;
  private panicCheckedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: Omit<RunnerViewDeps, 'onWarm' | 'onInFlight' | 'mayEject' | 'panics'>) {
    const onInFlight = (change: 1 | -1) => {
      this.inFlight += change;
    };
    const mayEject = () => this.mayEject(deps.health);
    const panics = () => this.panics(deps.health);
    this.deps = { ...deps, onInFlight, mayEject, panics, onWarm: (fnId, view, warm) => this.setWarm(fnId, view, warm) };
  }

  /** Those of the list that a call was placed by last. */
  get current(): readonly RunnerView[] {
    return this.latest?.candidates ?? [];
  }

  /** Addresses that are offered nothing, whether or not they are in the pool now. */
  get cordons(): readonly string[] {
    return [...this.cordoned.values()];
  }

  /** @returns whether there is such a runner, or such a cordon to lift */
  setCordoned(address: string, cordoned: boolean): boolean {
    const key = addressKey(address);
    const views = this.current.filter((view) => addressKey(view.address) === key);
    const known = views.length > 0 || this.cordoned.has(key);
    if (cordoned && known) this.cordoned.set(key, address);
    else this.cordoned.delete(key);
    for (const view of views) view.setCordoned(cordoned);
    return known;
  }

  /** @param runners not empty */
  snapshot(runners: readonly Runner[]): FleetSnapshot {
    let snapshot = this.snapshots.get(runners);
    if (snapshot === undefined) {
      snapshot = new FleetSnapshot(
        runners.map((runner) => this.viewOf(runner)),
        this,
      );
      this.snapshots.set(runners, snapshot);
    }
    this.latest = snapshot;
    return snapshot;
  }

  /** Runners whose function has no free container any more are found out here. */
  *warmFor(fnId: string, members: ReadonlyMap<Candidate, RunnerView>): Generator<RunnerView> {
    for (const view of this.warmRunners.get(fnId) ?? NONE) {
      if (view.freeSlots(fnId) <= 0) this.setWarm(fnId, view, false);
      else if (members.has(view)) yield view;
    }
  }

  /** Those that the operator leaves to this balancer. */
  private get inUse(): readonly RunnerView[] {
    return this.cordoned.size === 0 ? this.current : this.current.filter(({ isCordoned }) => !isCordoned);
  }

  private mayEject({ ejectMaxPercent }: HealthOptions): boolean {
    const { inUse: current } = this;
    const out = current.filter(({ isEjected }) => isEjected).length + 1;
    return out < current.length && out <= Math.max(1, (current.length * ejectMaxPercent) / 100);
  }

  private panics({ panicPercent }: HealthOptions): boolean {
    const now = this.deps.now();
    if (now - this.panicCheckedAt >= PANIC_CHECK_MS) {
      const { inUse: current } = this;
      const healthy = current.filter(({ isHealthy }) => isHealthy).length;
      this.panicking = healthy * 100 < current.length * panicPercent;
      this.panicCheckedAt = now;
    }
    return this.panicking;
  }

  private viewOf(runner: Runner): RunnerView {
    let view = this.views.get(runner);
    if (view === undefined) {
      const newcomer = new RunnerView(runner, this.deps);
      if (this.latest !== undefined) newcomer.isNew();
      if (this.cordoned.has(addressKey(runner.address))) newcomer.setCordoned(true);
      this.views.set(runner, newcomer);
      // After the list is complete: calls that wait may be for it.
      queueMicrotask(() => this.deps.onRoom(newcomer));
      view = newcomer;
    }
    return view;
  }

  private setWarm(fnId: string, view: RunnerView, warm: boolean): void {
    let set = this.warmRunners.get(fnId);
    if (warm) {
      if (set === undefined) {
        set = new TurnoverSet();
        this.warmRunners.set(fnId, set);
      }
      set.add(view);
    } else if (set?.delete(view) && set.size === 0) this.warmRunners.delete(fnId);
  }
}

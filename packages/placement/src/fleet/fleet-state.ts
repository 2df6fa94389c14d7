import { TurnoverMap, TurnoverSet } from '@fnfleet/core';
import { addressKey } from '@fnfleet/discovery';
import type { Candidate, Fleet } from '../placer.js';
import type { Runner, RunnerList } from '../runner.js';
import type { HealthOptions } from './health.js';
import { RunnerState, type RunnerStateDeps } from './runner-state.js';

const NONE: Iterable<RunnerState> = [];

/** The runners of one list of the pool. Created once per list, however many calls are placed with it. */
export class FleetSnapshot implements Fleet {
  private readonly members: ReadonlyMap<Candidate, RunnerState>;

  constructor(
    readonly candidates: readonly RunnerState[],
    private readonly state: FleetState,
  ) {
    this.members = new Map(candidates.map((candidate) => [candidate, candidate]));
  }

  get inFlight(): number {
    return this.state.inFlight;
  }

  has(candidate: Candidate): boolean {
    return this.members.has(candidate);
  }

  /** @throws Error if the runner is not in this list, which is a mistake of the placer */
  stateOf(candidate: Candidate): RunnerState {
    const state = this.members.get(candidate);
    if (state === undefined)
      throw new Error(`the placer chose ${candidate?.address}, which is not among the candidates`);
    return state;
  }

  warm(fnId: string): Iterable<RunnerState> {
    return this.state.warmFor(fnId, this.members);
  }
}

/** How long the result of the panic check is cached, milliseconds: it is needed for each call that finds an ejected runner. */
const PANIC_CHECK_MS = 100;

/** What this balancer knows about all runners, whichever lists they are in. */
export class FleetState {
  inFlight = 0;
  private readonly states = new WeakMap<Runner, RunnerState>();
  private readonly snapshots = new WeakMap<RunnerList['runners'], FleetSnapshot>();
  /** By function: the runners that are estimated to have a free hot container. */
  private readonly warmRunners = new TurnoverMap<string, TurnoverSet<RunnerState>>();
  /** By address key, so that a runner that leaves and returns is still cordoned. */
  private readonly cordoned = new Map<string, string>();
  private readonly deps: RunnerStateDeps;
  private latest: FleetSnapshot | undefined;
  private panicking = false;
  private panicCheckedAt = Number.NEGATIVE_INFINITY;

  constructor(deps: Omit<RunnerStateDeps, 'onWarm' | 'onInFlight' | 'mayEject' | 'panics'>) {
    const onInFlight = (change: 1 | -1) => {
      this.inFlight += change;
    };
    const mayEject = () => this.mayEject(deps.health);
    const panics = () => this.panics(deps.health);
    this.deps = {
      ...deps,
      onInFlight,
      mayEject,
      panics,
      onWarm: (fnId, state, warm) => this.setWarm(fnId, state, warm),
    };
  }

  /** The list that was last used for a call. */
  get current(): readonly RunnerState[] {
    return this.latest?.candidates ?? [];
  }

  /** Cordoned addresses, whether or not they are in the pool now. */
  get cordons(): readonly string[] {
    return [...this.cordoned.values()];
  }

  /** @returns whether there is such a runner, or such a cordon to lift */
  setCordoned(address: string, cordoned: boolean): boolean {
    const key = addressKey(address);
    const states = this.current.filter((state) => addressKey(state.address) === key);
    const known = states.length > 0 || this.cordoned.has(key);
    if (cordoned && known) this.cordoned.set(key, address);
    else this.cordoned.delete(key);
    for (const state of states) state.setCordoned(cordoned);
    return known;
  }

  /** @param runners not empty */
  snapshot(runners: readonly Runner[]): FleetSnapshot {
    let snapshot = this.snapshots.get(runners);
    if (snapshot === undefined) {
      snapshot = new FleetSnapshot(
        runners.map((runner) => this.stateOf(runner)),
        this,
      );
      this.snapshots.set(runners, snapshot);
    }
    this.latest = snapshot;
    return snapshot;
  }

  /** Also drops runners whose containers have expired. */
  *warmFor(fnId: string, members: ReadonlyMap<Candidate, RunnerState>): Generator<RunnerState> {
    for (const state of this.warmRunners.get(fnId) ?? NONE) {
      if (state.freeSlots(fnId) <= 0) this.setWarm(fnId, state, false);
      else if (members.has(state)) yield state;
    }
  }

  /** Runners that are not cordoned. */
  private get inUse(): readonly RunnerState[] {
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

  private stateOf(runner: Runner): RunnerState {
    let state = this.states.get(runner);
    if (state === undefined) {
      const newcomer = new RunnerState(runner, this.deps);
      if (this.latest !== undefined) newcomer.beginSlowStart();
      if (this.cordoned.has(addressKey(runner.address))) newcomer.setCordoned(true);
      this.states.set(runner, newcomer);
      // After the list is complete, because waiting calls may use it.
      queueMicrotask(() => this.deps.onCapacity(newcomer));
      state = newcomer;
    }
    return state;
  }

  private setWarm(fnId: string, state: RunnerState, warm: boolean): void {
    let set = this.warmRunners.get(fnId);
    if (warm) {
      if (set === undefined) {
        set = new TurnoverSet();
        this.warmRunners.set(fnId, set);
      }
      set.add(state);
    } else if (set?.delete(state) && set.size === 0) this.warmRunners.delete(fnId);
  }
}

import { type Clock, FnError, Listeners } from '@fnfleet/core';
import type { LoadListener, Runner, RunnerList, RunnerPool } from '@fnfleet/placement';
import {
  type AttemptOutcome,
  NOTHING_CHECKED,
  NOTHING_REPORTED,
  type OutboundCall,
  type RunnerStatus,
} from '@fnfleet/protocol';
import { type Ending, Machine, type MachineModel } from './machine.js';
import { SimulatedCall } from './simulated-call.js';

/** All machines, and the view of each balancer on them. */
export class SimulatedFleet {
  readonly pools: readonly SimulatedPool[];
  private members: Machine[] = [];
  /** All machines, including those that have left. */
  readonly all: Machine[] = [];

  constructor(
    private readonly model: MachineModel & RunnerModel & { readonly balancers: number },
    private readonly clock: Clock,
  ) {
    this.pools = Array.from({ length: model.balancers }, () => new SimulatedPool(model, clock));
  }

  get machines(): readonly Machine[] {
    return this.members;
  }

  grow(count: number): void {
    const added = Array.from({ length: count }, () => {
      const machine = new Machine(`runner-${this.all.length + 1}`, this.model, this.clock);
      this.all.push(machine);
      return machine;
    });
    this.change([...this.members, ...added]);
  }

  /** Drains a machine: it leaves the list at once and takes no new calls; calls in flight finish there. */
  retire(machine: Machine): void {
    machine.draining = true;
    this.change(this.members.filter((other) => other !== machine));
  }

  private change(members: Machine[]): void {
    this.members = members;
    for (const pool of this.pools) pool.update(members);
  }
}

/** The pool of one balancer. */
export class SimulatedPool implements RunnerPool {
  private readonly changes = new Listeners<[]>();
  private list: RunnerList = { runners: [] };
  private readonly known = new Map<Machine, SimulatedRunner>();
  private removalListener: ((runner: Runner, fnId: string) => void) | undefined;

  constructor(
    private readonly model: RunnerModel,
    private readonly clock: Clock,
  ) {}

  runners(): RunnerList {
    return this.list;
  }

  subscribe(onChange: () => void): () => void {
    return this.changes.subscribe(onChange);
  }

  async close(): Promise<void> {}

  update(machines: readonly Machine[]): void {
    for (const machine of this.known.keys()) if (!machines.includes(machine)) this.known.delete(machine);
    this.list = { runners: machines.map((machine) => this.runnerOf(machine)) };
    this.changes.emit();
  }

  /** Registers a listener for removed containers. */
  onRemoved(listener: (runner: Runner, fnId: string) => void): void {
    this.removalListener = listener;
    for (const [machine, runner] of this.known) machine.removalListeners.push((fnId) => listener(runner, fnId));
  }

  private runnerOf(machine: Machine): SimulatedRunner {
    const known = this.known.get(machine);
    if (known !== undefined) return known;
    const runner = new SimulatedRunner(machine, this.model, this.clock);
    this.known.set(machine, runner);
    const listener = this.removalListener;
    if (listener !== undefined) machine.removalListeners.push((fnId) => listener(runner, fnId));
    return runner;
  }
}

interface RunnerModel {
  /** Round-trip time between the balancer and the machine. */
  readonly rttMs: number;
  /** Whether it is an Fn runner, which reports neither its load nor whether a lost call had started. */
  readonly silent: boolean;
}

/** A machine as one balancer sees it: through the network and its answers. */
class SimulatedRunner implements Runner {
  private readonly loads = new Listeners<Parameters<LoadListener>>();

  constructor(
    private readonly machine: Machine,
    private readonly model: RunnerModel,
    private readonly clock: Clock,
  ) {}

  get address(): string {
    return this.machine.address;
  }

  subscribe(listener: LoadListener): () => void {
    return this.loads.subscribe(listener);
  }

  /** Ignores the signal, because simulated callers never disconnect. */
  tryCall(call: OutboundCall): Promise<AttemptOutcome> {
    if (!(call instanceof SimulatedCall)) throw new TypeError('a simulated runner takes simulated calls');
    call.engagements += 1;
    const { machine, clock } = this;
    return new Promise((resolve) => {
      const answer = (outcome: AttemptOutcome) => {
        if (outcome.kind === 'refused') call.refusals += 1;
        // The load at the time the answer was sent.
        const load = this.model.silent || machine.down ? undefined : machine.load(call.model.fnId);
        clock.after(this.model.rttMs / 2, () => {
          if (load !== undefined) this.loads.emit(load, call);
          resolve(outcome);
        });
      };
      clock.after(this.model.rttMs / 2, () => {
        if (machine.down) answer(UNREACHABLE);
        else if (!machine.offer(call, (ending) => answer(this.outcomeOf(ending)))) answer(BUSY);
      });
    });
  }

  async status(): Promise<RunnerStatus> {
    await this.clock.sleep(this.model.rttMs);
    if (this.machine.down) throw new Error(`${this.address} is down`);
    const { active } = this.machine;
    if (this.model.silent) return { ...NOTHING_CHECKED, active };
    const load = this.machine.load();
    this.loads.emit(load, undefined);
    return { ...NOTHING_CHECKED, active, load };
  }

  async close(): Promise<void> {}

  private outcomeOf(ending: Ending): AttemptOutcome {
    if (ending === 'finished') return FINISHED;
    return ending === 'lost' && !this.model.silent ? UNREACHABLE : CUT;
  }
}

// Shared outcomes: creating a million errors with stacks would cost more than the rest of the simulation.
const BUSY: AttemptOutcome = { kind: 'refused', reason: 'busy', error: new FnError('serverBusy') };
const UNREACHABLE: AttemptOutcome = { kind: 'refused', reason: 'unreachable', error: new Error('runner is down') };
const CUT: AttemptOutcome = { kind: 'failed', blame: 'runner', error: new Error('runner went down') };
const FINISHED: AttemptOutcome = { kind: 'finished', report: { ...NOTHING_REPORTED, success: true } };

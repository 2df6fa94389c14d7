import { type Clock, Listeners } from '@fnfleet/core';
import type { Runner, RunnerList, RunnerPool } from '@fnfleet/placement';
import { Machine, type MachineModel } from './machine.js';
import { type RunnerModel, SimulatedRunner } from './simulated-runner.js';

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
  private removalHeard: ((runner: Runner, fnId: string) => void) | undefined;

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
  onRemoved(heard: (runner: Runner, fnId: string) => void): void {
    this.removalHeard = heard;
    for (const [machine, runner] of this.known) machine.removalListeners.push((fnId) => heard(runner, fnId));
  }

  private runnerOf(machine: Machine): SimulatedRunner {
    const known = this.known.get(machine);
    if (known !== undefined) return known;
    const runner = new SimulatedRunner(machine, this.model, this.clock);
    this.known.set(machine, runner);
    const heard = this.removalHeard;
    if (heard !== undefined) machine.removalListeners.push((fnId) => heard(runner, fnId));
    return runner;
  }
}

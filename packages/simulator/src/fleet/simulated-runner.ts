import { type Clock, FnError, Listeners } from '@fnfleet/core';
import type { LoadListener, Runner } from '@fnfleet/placement';
import {
  type AttemptOutcome,
  NOTHING_CHECKED,
  NOTHING_REPORTED,
  type OutboundCall,
  type RunnerStatus,
} from '@fnfleet/protocol';
import type { Ending, Machine } from './machine.js';
import { SimulatedCall } from './simulated-call.js';

export interface RunnerModel {
  /** Round-trip time between the balancer and the machine. */
  readonly rttMs: number;
  /** Whether it is an Fn runner, which reports neither its load nor whether a lost call had started. */
  readonly silent: boolean;
}

/** A machine as one balancer sees it: through the network and its answers. */
export class SimulatedRunner implements Runner {
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

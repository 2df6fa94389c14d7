import { type Call, FakeClock } from '@fnfleet/core';
import { type AttemptOutcome, type LoadReport, NOTHING_REPORTED, type OutboundCall } from '@fnfleet/protocol';
import { FakeRunner } from './fake-runner.js';
import { type ResourceRequest, resourceRequestOf } from './fleet/capacity-estimate.js';
import { FleetState } from './fleet/fleet-state.js';
import { HEALTH_DEFAULTS, type HealthOptions } from './fleet/health.js';
import type { RunnerState } from './fleet/runner-state.js';

interface Parts {
  readonly appId?: string;
  readonly fnId?: string;
  readonly type?: Call['type'];
  readonly memoryMb?: number;
  readonly replayable?: boolean;
}

/** A call without a body, for tests of placement. */
export function aCall(parts: Parts = {}): OutboundCall {
  const { appId = 'app1', fnId = 'fn1', type = 'sync', memoryMb = 128 } = parts;
  return {
    model: { id: 'call-1', appId, fnId, type, image: 'img', memoryMb, tmpfsMb: 0, idleTimeoutSeconds: 30 } as Call,
    slotHash: '',
    extensions: {},
    body: {
      replayable: parts.replayable ?? true,
      open: () => ({
        read: () => ({ data: Buffer.alloc(0), last: true }),
        onReadable: undefined,
        close: () => undefined,
      }),
      commit: () => undefined,
    },
    response: { writeHead: () => undefined, write: () => true, onDrain: () => undefined },
    addExecution: () => undefined,
  };
}

export const MB = 1024 * 1024;
export const BUSY: AttemptOutcome = { kind: 'refused', reason: 'busy', error: new Error('busy') };
export const FINISHED: AttemptOutcome = { kind: 'finished', report: NOTHING_REPORTED };

/** A fleet state with some runners, for tests that act as the dispatcher. */
export class FleetFixture {
  readonly clock = new FakeClock();
  /** Runners that were reported to have capacity, in order. */
  readonly rooms: string[] = [];
  readonly fleet: FleetState;
  readonly runners: readonly FakeRunner[];
  readonly states: readonly RunnerState[];

  constructor(size: number, health: Partial<HealthOptions> = {}) {
    this.fleet = new FleetState({
      health: { ...HEALTH_DEFAULTS, ...health },
      now: () => this.clock.now(),
      wallNow: () => this.clock.wallNow(),
      random: () => 0.5,
      onCapacity: ({ address }) => this.rooms.push(address),
    });
    this.runners = Array.from({ length: size }, (_, i) => new FakeRunner(`r${i}`));
    this.states = this.fleet.snapshot(this.runners).candidates;
  }

  at(index: number): RunnerState {
    return this.states[index] as RunnerState;
  }

  /** Plays a whole call on a runner. */
  call(index: number, outcome: AttemptOutcome, fnId = 'fn1'): void {
    const request = requestFor(fnId);
    this.at(index).offered(request);
    this.at(index).ended(request, outcome, 10);
  }

  /** @param fnId function of the call that the report came with; undefined if it came with a status */
  tell(index: number, load: Partial<LoadReport>, fnId?: string): void {
    const call = fnId === undefined ? undefined : aCall({ fnId });
    this.runners[index]?.loads.emit({ ...IDLE, ...load }, call);
  }
}

export function requestFor(fnId = 'fn1', memoryMb = 128): ResourceRequest {
  return resourceRequestOf(aCall({ fnId, memoryMb }));
}

const IDLE: LoadReport = {
  instanceId: 'one',
  memoryUsedBytes: 0,
  memoryTotalBytes: 1024 * MB,
  cpuUsedMillis: 0,
  cpuTotalMillis: 0,
  active: 0,
  waiting: 0,
  freeSlots: undefined,
  draining: false,
  degraded: false,
  degradedReason: '',
};

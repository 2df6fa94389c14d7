import { type Clock, Registry } from '@fnfleet/core';
import type { Machine } from '../fleet/machine.js';
import type { SimulatedFleet } from '../fleet/simulated-fleet.js';
import type { Random } from '../random.js';

/** What happens to the fleet during a run. */
export interface Scenario {
  readonly name: string;
  readonly doc: string;
  /** Whether runners are Fn runners, which report no load. */
  readonly silent?: true;
  begin?(stage: Stage): void;
}

export interface Stage {
  readonly fleet: SimulatedFleet;
  readonly clock: Clock;
  readonly random: Random;
  /** Time between the first and the last arrival. */
  readonly spanMs: number;
}

const SPEEDS = [0.75, 1, 1.5];
const DISTURBED = 0.2;
const DISTURBANCE = 3;
const DISTURBANCE_MS = 10_000;
const KILLED = 0.05;
const RESTART_MS = 5_000;
const CHANGES = 20;

export const scenarios = new Registry<Scenario>('--scenario', 'scenario', [
  { name: 'steady', doc: 'nothing happens' },
  { name: 'silent', doc: 'all runners are Fn runners, which do not report their load', silent: true },
  {
    name: 'speeds',
    doc: 'calls take 0.75, 1 or 1.5 times as long on a third of the runners each',
    begin: ({ fleet }) => {
      for (const [i, machine] of fleet.machines.entries()) machine.slowness = SPEEDS[i % SPEEDS.length] as number;
    },
  },
  {
    name: 'antagonist',
    doc: 'calls take three times as long on a fifth of the runners, which change every 10 s',
    begin: (stage) => {
      const turn = () => {
        for (const machine of stage.fleet.machines) machine.slowness = stage.random() < DISTURBED ? DISTURBANCE : 1;
        stage.clock.after(DISTURBANCE_MS, turn);
      };
      turn();
    },
  },
  {
    name: 'kill',
    doc: 'at half time every twentieth runner crashes, and restarts empty after 5 s',
    begin: ({ fleet, clock, random, spanMs }) => {
      clock.after(spanMs / 2, () => {
        const doomed = chosen(fleet.machines, Math.ceil(fleet.machines.length * KILLED), random);
        for (const machine of doomed) machine.kill();
        clock.after(RESTART_MS, () => {
          for (const machine of doomed) machine.restart();
        });
      });
    },
  },
  {
    name: 'churn',
    doc: 'twenty times during the run, one runner drains and leaves, and a new one joins',
    begin: ({ fleet, clock, random, spanMs }) => {
      for (let i = 1; i <= CHANGES; i += 1) {
        clock.after((spanMs * i) / (CHANGES + 1), () => {
          for (const machine of chosen(fleet.machines, 1, random)) fleet.retire(machine);
          fleet.grow(1);
        });
      }
    },
  },
]);

function chosen(machines: readonly Machine[], count: number, random: Random): Machine[] {
  const left = [...machines];
  return Array.from(
    { length: Math.min(count, left.length) },
    () => left.splice(Math.floor(random() * left.length), 1)[0] as Machine,
  );
}

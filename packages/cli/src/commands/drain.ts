import { later, systemClock } from '@fnfleet/core';
import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { askBalancers } from '../operate/balancers.js';
import {
  callsInHand,
  type DrainDeps,
  type Drained,
  drainRunner,
  type Undrained,
  undrainRunner,
} from '../operate/drain-runner.js';
import { say } from '../terminal/output.js';
import { withExitCodes } from './exit-codes.js';
import { decimal, jsonOption, LOCAL_BALANCERS, lbOption } from './options.js';

interface DrainCommandOptions {
  readonly lb: readonly string[];
  readonly wait: boolean;
  readonly timeout: number;
  readonly cordon: boolean;
  readonly force: boolean;
  readonly json: boolean;
}

const EXIT_NOT_DRAINED = 2;
const LOOK_MS = 250;

export function drainCommand(): Command {
  const command = new Command('drain')
    .description('Drains a runner: it gets no new calls and finishes those in flight. No call fails because of it.')
    .argument('<runner>', 'its address or name, as `fnfleet status` shows them, or the URL of its HTTP port')
    .addOption(lbOption())
    .option('--wait', 'wait until it has no calls in flight', false)
    .option('--timeout <s>', 'with --wait: maximum seconds to wait', decimal(0, 86_400), 300)
    .option('--cordon', 'only make the balancers stop offering it calls; do not contact the runner', false)
    .option('--force', 'drain it even if no other runner takes calls', false)
    .addOption(jsonOption())
    .action(drain);
  return withExitCodes(command, {
    0: 'it gets no new calls; with --wait, it also has none in flight',
    1: 'it could not be drained, or the command line is invalid; standard error says why',
    [EXIT_NOT_DRAINED]: '--wait timed out: it gets no new calls, but still had some in flight',
  }).addHelpText(
    'after',
    '\nThe command asks the runner itself to drain, directly or through a balancer that reaches its HTTP port. If neither ' +
      'works, it cordons the runner on every balancer.',
  );
}

async function drain(wanted: string, options: DrainCommandOptions): Promise<void> {
  const deps = drainDeps(options);
  const drained = await drainRunner(wanted, options, deps);
  const inHand = options.wait ? await untilIdle(drained, options.timeout * 1000, deps) : drained.inHand;
  const { json } = options;
  say(json ? [JSON.stringify({ ...drained, inHand })] : told({ ...drained, inHand }));
  if (options.wait && inHand > 0) process.exitCode = EXIT_NOT_DRAINED;
}

/** @returns how many calls are still in flight */
async function untilIdle(drained: Drained, timeoutMs: number, deps: DrainDeps): Promise<number> {
  const until = later(systemClock.now(), timeoutMs);
  for (;;) {
    const inHand = await callsInHand(drained, deps);
    if (inHand === 0 || systemClock.now() >= until) return inHand;
    await systemClock.sleep(LOOK_MS);
  }
}

function told({ runner, way, at, note, inHand }: Drained): string[] {
  const calls = `calls in flight: ${inHand}`;
  const undo = `to undo: fnfleet undrain ${way === 'runner' ? at[0] : runner}`;
  if (way === 'runner') return [`${runner} takes no new calls; ${calls}`, undo];
  if (way === 'through balancer') return [`${runner} takes no new calls (requested through ${at[0]}); ${calls}`, undo];
  const why = note === undefined ? '' : ` (${note})`;
  const lasts = 'A balancer that restarts offers it calls again.';
  return [`${at.join(', ')} offers ${runner} no new calls${why}; ${calls}`, lasts, undo];
}

export function undrainCommand(): Command {
  const command = new Command('undrain')
    .description('Brings a drained or cordoned runner back into the fleet.')
    .argument('<runner>', 'its address or name, as `fnfleet status` shows them, or the URL of its HTTP port')
    .addOption(lbOption())
    .addOption(jsonOption())
    .action(async (wanted: string, options: { lb: readonly string[]; json: boolean }) => {
      const undrained = await undrainRunner(wanted, drainDeps(options));
      say(options.json ? [JSON.stringify(undrained)] : toldUndrained(undrained));
    });
  return withExitCodes(command, {
    0: 'the runner may get calls again',
    1: 'the runner could not be brought back, or the command line is invalid; standard error says why',
  });
}

function toldUndrained({ runner, state, uncordoned, note }: Undrained): string[] {
  const parts: string[] = [];
  if (state !== undefined) parts.push(`${runner} is ${state}`);
  if (uncordoned.length > 0) parts.push(`${uncordoned.join(', ')} may offer ${runner} calls again`);
  if (note !== undefined) parts.push(`could not reach ${runner} itself: ${note}`);
  return parts.length > 0 ? parts : [`${runner} is not cordoned, and does not report an HTTP port`];
}

/** Connections to the fleet for `drain` and `undrain`. */
function drainDeps({ lb }: { readonly lb: readonly string[] }): DrainDeps {
  const { fetch, runner, tls } = fleetAccess(process.env);
  return {
    balancers: () => askBalancers(lb, fetch, { guessed: lb === LOCAL_BALANCERS, fresh: true }),
    fetch,
    runnerFetch: runner,
    secure: tls !== undefined,
  };
}

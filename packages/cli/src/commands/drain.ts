import { later, systemClock } from '@fnfleet/core';
import { Command } from 'commander';
import { callsInHand, type DrainDeps, type Drained, drainRunner } from '../operate/drain-runner.js';
import { say } from '../terminal/say.js';
import { drainDeps } from './drain-deps.js';
import { withExitCodes } from './exit-codes.js';
import { decimal, jsonOption, lbOption } from './options.js';

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
    .description(
      'Takes a runner out of the fleet: it gets no new calls and finishes those it has. No call fails for it.',
    )
    .argument('<runner>', 'its address or its name, as `fnfleet status` shows them, or the URL of its HTTP port')
    .addOption(lbOption())
    .option('--wait', 'until it has no calls any more', false)
    .option('--timeout <s>', 'with --wait: at most so many seconds', decimal(0, 86_400), 300)
    .option('--cordon', 'tell the balancers only, not the runner', false)
    .option('--force', 'also when no other runner takes calls', false)
    .addOption(jsonOption())
    .action(drain);
  return withExitCodes(command, {
    0: 'it gets no new calls; with --wait, and has none any more',
    1: 'it could not be drained, or the command line is wrong; standard error says why',
    [EXIT_NOT_DRAINED]: '--wait: it gets no new calls, and still had some when the time was over',
  }).addHelpText(
    'after',
    '\nThe runner is told if its HTTP port answers, or by way of a balancer that reaches it. Else every balancer is told not to ' +
      'offer it calls.',
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

/** @returns how many calls it still has */
async function untilIdle(drained: Drained, timeoutMs: number, deps: DrainDeps): Promise<number> {
  const until = later(systemClock.now(), timeoutMs);
  for (;;) {
    const inHand = await callsInHand(drained, deps);
    if (inHand === 0 || systemClock.now() >= until) return inHand;
    await systemClock.sleep(LOOK_MS);
  }
}

function told({ runner, way, at, note, inHand }: Drained): string[] {
  const calls = `calls in hand: ${inHand}`;
  const undo = `back again: fnfleet undrain ${way === 'runner' ? at[0] : runner}`;
  if (way === 'runner') return [`${runner} takes no new calls; ${calls}`, undo];
  if (way === 'through balancer') return [`${runner} takes no new calls, as ${at[0]} has told it; ${calls}`, undo];
  const why = note === undefined ? '' : ` (${note})`;
  const lasts = 'This holds until a balancer is restarted.';
  return [`${at.join(', ')} offers ${runner} no new calls${why}; ${calls}`, lasts, undo];
}

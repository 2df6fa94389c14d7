import type { CallResult } from './caller.js';
import { type Check, check, compareVitals } from './checks.js';
import { planSoak, type Round, type SoakOptions } from './plan.js';
import { SoakedFleet } from './soaked-fleet.js';
import { Tally } from './tally.js';

export interface SoakReport {
  readonly tally: Tally;
  readonly checks: readonly Check[];
  readonly seconds: number;
  readonly containersStarted: number;
  readonly evictions: number;
}

/**
 * Makes many calls of all kinds on a whole fleet in real processes (api node, balancer, one runner, real containers), and
 * looks at what is left.
 *
 *   warm up ─▶ idle ─▶ look ─▶ all other calls ─▶ idle ─▶ look again, compare ─▶ drain ─▶ nothing may be left
 *
 * @param say is told how far it is, and of each call that ended wrongly
 * @param signal ends it early, with nothing left
 * @throws the signal's reason
 */
export async function soak(
  options: SoakOptions,
  say: (line: string) => void,
  signal: AbortSignal,
): Promise<SoakReport> {
  const { functions, rounds } = planSoak(options);
  const [warmUp, ...others] = rounds;
  const tally = new Tally();
  const fleet = await SoakedFleet.start();
  let report: SoakReport;
  let atTheEnd: Check[];
  try {
    await fleet.deploy(functions, options.idleTimeoutSeconds);
    const startedAt = performance.now();
    const ended = (result: CallResult) => {
      const wrong = tally.add(result);
      if (wrong !== undefined) say(wrong);
    };
    const play = async (round: Round) => {
      await fleet.play(round, ended, signal);
      signal.throwIfAborted();
    };

    if (warmUp) await play(warmUp);
    const before = await fleet.idleVitals();
    say(`warm after ${tally.calls} calls`);
    for (const round of others) {
      await play(round);
      const started = await fleet.containersStarted();
      say(`${tally.calls} calls, ${tally.wrong} wrong, ${started} containers started, ${fleet.descriptors()}`);
    }
    const after = await fleet.idleVitals();

    const seconds = (performance.now() - startedAt) / 1000;
    const containersStarted = await fleet.containersStarted();
    const evictions = await fleet.evictions();
    const compared = before.flatMap((vitals, node) => compareVitals(vitals, after[node] ?? vitals));
    report = { tally, checks: [...(await fleet.checks()), ...compared], seconds, containersStarted, evictions };
  } finally {
    atTheEnd = await fleet.stop();
  }
  return { ...report, checks: [answered(report, options), ...report.checks, ...atTheEnd] };
}

function answered({ tally }: SoakReport, { calls }: SoakOptions): Check {
  const found = `${tally.calls}, ${tally.wrong} wrongly`;
  return check('calls answered', found, `${calls}, 0 wrongly`, tally.calls === calls && tally.wrong === 0);
}

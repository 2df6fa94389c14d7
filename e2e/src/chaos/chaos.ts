import { setTimeout as sleep } from 'node:timers/promises';
import { Random } from '../soak/random.js';
import { readRecords, untilEnded } from './call-records.js';
import { ChaosClients } from './chaos-clients.js';
import { ChaosFleet } from './chaos-fleet.js';
import { judge, type Verdict } from './judge.js';
import type { ChaosOptions } from './plan.js';
import { RunRecorder } from './run-recorder.js';
import { type PlantedFault, STORES, type Victim } from './stores.js';

export interface ChaosReport {
  readonly store: string;
  readonly seed: number;
  readonly seconds: number;
  /** So many calls were to be accepted. */
  readonly wanted: number;
  readonly verdict: Verdict;
  readonly faults: readonly { readonly name: string; readonly kills: number; readonly suspensions: number }[];
  readonly refusals: ReadonlyMap<number, number>;
  readonly broken: number;
  readonly repeated: number;
  /** What the API still lists as waiting or running, and what is left on the machine, although nothing should be. */
  readonly leftovers: readonly string[];
  /** What the logs say about calls that the verdict objects to. */
  readonly logs: readonly string[];
}

export interface ChaosSurroundings {
  /** Is told how far it is. */
  readonly say: (line: string) => void;
  /** Ends it early, with nothing left. */
  readonly signal: AbortSignal;
  /** A fault that is made each time the API node is down, to see that it is noticed. */
  readonly plant?: PlantedFault | undefined;
  /** Folder for what the nodes log, then everything. */
  readonly logs?: string | undefined;
}

const POLL_MS = 20;
/** So many of the last runs are candidates for a fault that is planted. */
const PLANTED_AMONG = 50;
const STARTS = 30;
const LINES_PER_CALL = 12;
const CALLS_WITH_LINES = 5;

/**
 * Calls are accepted, run, fail, hang and are cancelled while the processes of the fleet are killed and started again, each at
 * times of its own; then every process is left alone, and what became of the calls is judged.
 * @throws the signal's reason
 */
export async function chaos(
  store: string,
  options: ChaosOptions,
  { say, signal, plant, logs }: ChaosSurroundings,
): Promise<ChaosReport> {
  const open = STORES.get(store);
  if (open === undefined) throw new Error(`no store ${store}; known: ${[...STORES.keys()].join(', ')}`);
  const startedAt = performance.now();
  const random = new Random(options.seed);
  const recorder = await RunRecorder.start();
  let report: Omit<ChaosReport, 'seconds'>;
  let left: string[];
  let fleet: ChaosFleet | undefined;
  try {
    let openStore: Awaited<ReturnType<typeof open>> | undefined;
    fleet = await ChaosFleet.start(
      async (folder) => {
        openStore = await open(folder);
        return openStore;
      },
      options,
      logs === undefined ? 'info' : 'debug',
    );
    const clients = new ChaosClients(fleet, recorder, options);
    let planted = 0;
    const whileGone = (victim: Victim) => {
      if (plant === undefined || victim.name !== 'API node') return;
      const recent = recorder.runs.slice(-PLANTED_AMONG).reverse();
      const run = recent.find(({ callId }) => isPlain(clients, callId) && openStore?.plant?.(plant, callId));
      if (run === undefined) return;
      planted += 1;
      say(`planted: the ${plant} of ${run.callId}`);
    };
    const assassins = fleet.victims.map((victim) => new Assassin(victim, random.fork(), recorder, options, whileGone));
    const enough = () =>
      signal.aborted ||
      performance.now() - startedAt > 60_000 * options.minutes ||
      (clients.accepted.length >= options.calls &&
        (plant === undefined || planted > 0) &&
        assassins.every(({ kills }) => kills >= options.kills.min));
    const reporting = setInterval(() => {
      const { accepted, broken } = clients;
      const kills = assassins.map(({ victim, kills: count }) => `${victim.name} ${count}`).join(', ');
      say(`${accepted.length} accepted, ${recorder.begun} ran, ${broken} without an answer; kills: ${kills}`);
    }, 5_000);
    try {
      const sending = clients.send(random.fork(), enough);
      await Promise.all([sending, ...assassins.map((assassin) => assassin.work(enough))]);
      signal.throwIfAborted();
      say(`${clients.accepted.length} accepted; waiting until all have ended`);
      const waiting = await untilEnded(fleet.apiUrl);
      const records = await readRecords(
        fleet.apiUrl,
        clients.accepted.map(({ callId }) => callId),
      );
      const verdict = judge({ accepted: clients.accepted, records, runs: recorder.runs });
      const suspects = [...new Set(verdict.violations.map(({ callId }) => callId))].slice(0, CALLS_WITH_LINES);
      report = {
        store,
        seed: options.seed,
        wanted: options.calls,
        verdict,
        faults: assassins.map(({ victim: { name }, kills, suspensions }) => ({ name, kills, suspensions })),
        refusals: clients.refusals,
        broken: clients.broken,
        repeated: clients.repeated,
        leftovers: waiting,
        logs: suspects.flatMap((callId) => [
          `${callId}: ${JSON.stringify(records.get(callId))}`,
          ...(fleet?.linesAbout(callId, LINES_PER_CALL) ?? []),
        ]),
      };
    } finally {
      clearInterval(reporting);
    }
  } finally {
    if (logs !== undefined) fleet?.saveLogs(logs);
    // What went wrong before is what matters.
    left = (await fleet?.stop().catch((error: Error) => [`the fleet: ${error.message}`])) ?? [];
    await recorder.close();
  }
  const seconds = (performance.now() - startedAt) / 1_000;
  return { ...report, leftovers: [...report.leftovers, ...left], seconds };
}

/** Kills one process again and again, and starts it again. */
class Assassin {
  kills = 0;
  suspensions = 0;

  constructor(
    readonly victim: Victim,
    private readonly random: Random,
    private readonly recorder: RunRecorder,
    private readonly options: ChaosOptions,
    private readonly whileGone: (victim: Victim) => void,
  ) {}

  async work(isOver: () => boolean): Promise<void> {
    const { victim, random } = this;
    const { runs, upMs, downMs, suspensions, leaseMs, kills } = this.options;
    while (this.kills < kills.max) {
      const untilBegun = this.recorder.begun + random.between(runs.min, runs.max);
      const untilTime = performance.now() + upMs;
      while (this.recorder.begun < untilBegun && performance.now() < untilTime && !isOver()) await sleep(POLL_MS);
      if (isOver()) return;
      if (victim.canBeSuspended && random.between(1, 100) <= suspensions) {
        this.suspensions += 1;
        victim.suspend();
        await sleep(1.5 * leaseMs);
        victim.resume();
      } else {
        this.kills += 1;
        await victim.kill();
        this.whileGone(victim);
        await sleep(random.between(downMs.min, downMs.max));
        await supervised(victim);
      }
    }
  }
}

/** What does not start, because the machine is too busy or the Docker engine does not answer, is started again. */
async function supervised(victim: Victim): Promise<void> {
  for (let left = STARTS - 1; ; left -= 1) {
    try {
      return await victim.start();
    } catch (error) {
      if (left === 0) throw error;
      await victim.kill();
    }
  }
}

function isPlain({ accepted }: ChaosClients, callId: string): boolean {
  return accepted.some((one) => one.callId === callId && one.call.end === 'success' && one.cancel === undefined);
}

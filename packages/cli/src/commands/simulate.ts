import { createWriteStream } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  type CallSource,
  chooseStrategy,
  htmlReport,
  type RunSeen,
  readWorkload,
  runGrid,
  scenarios,
  strategies,
  textReport,
  workloadLines,
  workloads,
} from '@fnfleet/simulator';
import { Command, Option } from 'commander';
import { remark, say } from '../terminal/output.js';
import { decimal, listOf, names, wholeNumber } from './options.js';

interface SimulateOptions {
  readonly runners: readonly number[];
  readonly load?: readonly number[];
  readonly calls: number;
  readonly workload: string;
  readonly workloadFile?: string;
  /** Former name of `workloadFile`. */
  readonly trace?: string;
  readonly placers: readonly string[];
  readonly scenario: string;
  readonly seeds: readonly number[];
  readonly balancers: number;
  readonly memory: number;
  readonly keepAlive: number;
  readonly rtt: number;
  readonly timeout: number;
  readonly swing: number;
  readonly json: boolean;
  readonly html?: string;
  readonly saveWorkload?: string;
  /** Former name of `saveWorkload`. */
  readonly saveTrace?: string;
  readonly quiet: boolean;
}

/** Share of calls at the start that is not measured, because the fleet is still warming up. */
const WARM_UP = 0.3;
const DEFAULT_LOAD = 0.8;
const DEFAULT_PLACERS = ['warm-first', 'ch', 'least-loaded', 'fn-naive', 'fn-ch'];

export function simulateCommand(): Command {
  return new Command('simulate')
    .description(
      'Runs placers on simulated runners in virtual time and compares them. The same seeds give the same numbers.',
    )
    .option('--runners <n,…>', 'number of runners', listOf(wholeNumber(1, 100_000)), [50])
    .option(
      '--load <share,…>',
      `share of the fleet memory that executing calls hold (default: ${DEFAULT_LOAD}, or as recorded)`,
      listOf(decimal(0.01, 2)),
    )
    .option('--calls <n>', 'number of calls of each run', wholeNumber(100, 10_000_000), 50_000)
    .option('--workload <name>', described(workloads), 'azure')
    .option(
      '--workload-file <file>',
      'play the calls of this file, one JSON object per line, instead of a generated workload',
    )
    .addOption(new Option('--trace <file>', 'former name of --workload-file').hideHelp())
    .option('--placers <name,…>', `${described(strategies)}; or a file, ./my-placer.js`, names, DEFAULT_PLACERS)
    .option('--scenario <name>', described(scenarios), 'steady')
    .option('--seeds <n,…>', 'repeat every run with each of these seeds', listOf(wholeNumber(0, 2 ** 31)), [1])
    .option('--balancers <n>', 'number of independent balancers', wholeNumber(1, 100), 1)
    .option('--memory <mb>', 'memory of each runner for functions, MB', wholeNumber(64, 10_000_000), 4096)
    .option('--keep-alive <s>', 'seconds that an idle container is kept', wholeNumber(0, 86_400), 30)
    .option('--rtt <ms>', 'round-trip time between a balancer and a runner, milliseconds', decimal(0, 1000), 0.5)
    .option('--timeout <s>', 'seconds that a call may wait for a runner', wholeNumber(1, 3600), 30)
    .option('--swing <share>', 'vary the call rate down and up once by this share', decimal(0, 1), 0)
    .option('--json', 'print every number of every run as JSON instead of tables', false)
    .option('--html <file>', 'also write an HTML page with charts to this file')
    .option(
      '--save-workload <file>',
      'write the calls of the first run to this file, for --workload-file; simulate nothing',
    )
    .addOption(new Option('--save-trace <file>', 'former name of --save-workload').hideHelp())
    .option('--quiet', 'do not show progress', false)
    .action(simulate);
}

async function simulate(options: SimulateOptions): Promise<void> {
  const { runners, load, seeds, memory, keepAlive, rtt, balancers } = options;
  const source = await sourceOf(options);
  const saveTo = options.saveWorkload ?? options.saveTrace;
  if (saveTo !== undefined) return await saveWorkload(saveTo, source, options);
  const report = await runGrid(
    {
      runners,
      loads: load ?? (source.kind === 'recorded' ? 'as recorded' : [DEFAULT_LOAD]),
      seeds,
      strategies: options.placers.map(chooseStrategy),
      scenario: scenarios.get(options.scenario),
      source,
      fleet: { memoryMb: memory, keepAliveMs: keepAlive * 1000, rttMs: rtt, balancers },
      placerTimeoutMs: options.timeout * 1000,
      warmUp: WARM_UP,
    },
    options.quiet ? undefined : showProgress(),
  );
  if (options.html !== undefined) await writeFile(options.html, htmlReport(report));
  say((options.json ? JSON.stringify(report, undefined, 2) : textReport(report).trimEnd()).split('\n'));
}

async function sourceOf({ workloadFile, trace, workload, calls, swing }: SimulateOptions): Promise<CallSource> {
  const file = workloadFile ?? trace;
  if (file !== undefined) return { kind: 'recorded', workload: await readWorkload(file) };
  return { kind: 'workload', factory: workloads.get(workload), calls, swing };
}

async function saveWorkload(file: string, source: CallSource, options: SimulateOptions): Promise<void> {
  if (source.kind === 'recorded')
    throw new Error('--save-workload: the workload already comes from a file (--workload-file)');
  const [runners = 1] = options.runners;
  const [load = DEFAULT_LOAD] = options.load ?? [];
  const [seed = 0] = options.seeds;
  const { calls, swing, memory } = options;
  const workload = source.factory.create({ seed, calls, runners, swing, busyMb: load * runners * memory });
  await pipeline(Readable.from(workloadLines(workload)), createWriteStream(file));
}

/** Progress on the terminal: a line for each run with its CPU time, which stays out of the reproducible numbers. */
function showProgress(): (run: RunSeen) => void {
  let since = process.cpuUsage();
  return ({ runners, load, placer, seed, outcome }) => {
    const { user, system } = process.cpuUsage(since);
    since = process.cpuUsage();
    const each = ((user + system) / outcome.calls).toFixed(0);
    remark(`• ${runners} runners, load ${load.toFixed(2)}, ${placer}, seed ${seed}: ${each} µs of CPU per call`);
  };
}

function described({ names: known }: { readonly names: readonly string[] }): string {
  return `one of ${known.join(', ')}`;
}

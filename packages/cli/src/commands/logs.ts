import { once } from 'node:events';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type FleetAccess, fleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { findFunction } from '../find-function.js';
import { collectThroughBalancer } from '../logs/collect-through-balancer.js';
import { type FollowFleetOptions, followFleet } from '../logs/follow-fleet.js';
import { formatJson, formatRaw, formatText } from '../logs/format-line.js';
import { askBalancers, isHeard } from '../operate/balancers.js';
import { stopSignal } from '../stop-signal.js';
import { remark } from '../terminal/say.js';
import { apiOption, LOCAL_BALANCERS, lbOption, wholeNumber } from './options.js';

interface LogsOptions {
  readonly app?: string;
  readonly runner?: readonly string[];
  readonly lb: readonly string[];
  readonly tail: number;
  readonly follow: boolean;
  readonly json: boolean;
  readonly raw: boolean;
  readonly api: string;
}

/** Where `fnfleet up` puts its runners. */
const LOCAL_RUNNERS: readonly string[] = ['127.0.0.1:9190', '127.0.0.1:9191'];
const MAX_TAIL = 1_000_000;

export function logsCommand(): Command {
  return new Command('logs')
    .description('Shows what a function prints, on all runners, until Ctrl-C.')
    .argument('<function>', 'its name within --app, or its id')
    .option('--app <name>', 'app it belongs to')
    .addOption(
      new Option('--runner <addresses>', 'ask these runners themselves: their gRPC addresses, separated by commas')
        .env('FN_RUNNER_ADDRESSES')
        .argParser(addresses),
    )
    .addOption(lbOption('balancers whose runners are asked, through them'))
    .option('--tail <n>', 'begin with this many lines of the past of each runner', wholeNumber(0, MAX_TAIL), 10)
    .option('--no-follow', 'end after the lines of the past')
    .option('--json', 'one JSON object a line', false)
    .option(
      '--raw',
      'let control characters through, such as colours; else they are shown as \\u001b and the like',
      false,
    )
    .addOption(apiOption())
    .action(logs);
}

/** Where the runners are whose functions are listened to. */
export function runnerOption(): Option {
  return new Option('--runner <addresses>', 'gRPC addresses of the runners, host:port each, separated by commas')
    .env('FN_RUNNER_ADDRESSES')
    .default(LOCAL_RUNNERS, LOCAL_RUNNERS.join(','))
    .argParser(addresses);
}

async function logs(nameOrId: string, options: LogsOptions): Promise<void> {
  const { app, tail, follow, json, raw, api } = options;
  const stop = new AbortController();
  void stopSignal(() => process.exit(1)).then(() => stop.abort());
  const { stdout } = process;
  // Whoever read it is gone: `fnfleet logs … | head`.
  stdout.on('error', () => stop.abort());
  const access = fleetAccess(process.env);
  const fn = await findFunction(new ApiClient(api, access.fetch), app, nameOrId);
  const format = json ? formatJson : raw ? formatRaw : formatText;
  await followFleet({
    ...(await runnersOf(options, access)),
    tls: access.tls,
    fnId: fn.id,
    tail,
    follow,
    onLine: (line) => {
      stdout.write(format(line));
      stdout.write('\n');
    },
    ready: async () => {
      if (stdout.writableNeedDrain) await once(stdout, 'drain', { signal: stop.signal }).catch(() => undefined);
    },
    onNotice: (text) => remark(`• ${text}`),
    signal: stop.signal,
  });
}

/** Those that are named are asked themselves; else those that balancers have, through the balancers. */
async function runnersOf(
  { runner, lb }: LogsOptions,
  { fetch }: FleetAccess,
): Promise<Pick<FollowFleetOptions, 'runners' | 'collect'>> {
  if (runner !== undefined) return { runners: runner };
  const balancers = await askBalancers(lb, fetch, { guessed: lb === LOCAL_BALANCERS });
  const having = new Map<string, string>();
  for (const { url, fleet } of balancers.filter(isHeard)) {
    for (const { address } of fleet.runners) having.set(address, having.get(address) ?? url);
  }
  if (having.size === 0) throw new Error(`${balancers.map(({ url }) => url).join(', ')} has no runners`);
  const collect = (address: string) => collectThroughBalancer(having.get(address) ?? '', fetch);
  return { runners: [...having.keys()], collect };
}

/** May be given several times; what is given replaces the default. */
function addresses(value: string, previous: readonly string[] = []): readonly string[] {
  const given = value.split(',').map((address) => address.trim());
  const wrong = given.find((address) => !/^(\[[^\]]+\]|[^\s:]+):\d+$/.test(address));
  if (wrong !== undefined) throw new InvalidArgumentError(`expected host:port, got ${JSON.stringify(wrong)}.`);
  return [...new Set([...(previous === LOCAL_RUNNERS ? [] : previous), ...given])];
}

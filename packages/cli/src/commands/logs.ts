import { once } from 'node:events';
import { Command, InvalidArgumentError, Option } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { findFunction } from '../find-function.js';
import { followFleet } from '../logs/follow-fleet.js';
import { formatJson, formatRaw, formatText } from '../logs/format-line.js';
import { stopSignal } from '../stop-signal.js';
import { remark } from '../terminal/say.js';
import { apiOption, wholeNumber } from './options.js';

interface LogsOptions {
  readonly app?: string;
  readonly runner: readonly string[];
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
    .addOption(runnerOption())
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

async function logs(nameOrId: string, { app, runner, tail, follow, json, raw, api }: LogsOptions): Promise<void> {
  const stop = new AbortController();
  void stopSignal(() => process.exit(1)).then(() => stop.abort());
  const { stdout } = process;
  // Whoever read it is gone: `fnfleet logs … | head`.
  stdout.on('error', () => stop.abort());
  const access = fleetAccess(process.env);
  const fn = await findFunction(new ApiClient(api, access.fetch), app, nameOrId);
  const format = json ? formatJson : raw ? formatRaw : formatText;
  await followFleet({
    runners: runner,
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

/** May be given several times; what is given replaces the default. */
function addresses(value: string, previous: readonly string[]): readonly string[] {
  const given = value.split(',').map((address) => address.trim());
  const wrong = given.find((address) => !/^(\[[^\]]+\]|[^\s:]+):\d+$/.test(address));
  if (wrong !== undefined) throw new InvalidArgumentError(`expected host:port, got ${JSON.stringify(wrong)}.`);
  return [...new Set([...(previous === LOCAL_RUNNERS ? [] : previous), ...given])];
}

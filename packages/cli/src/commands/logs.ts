import { once } from 'node:events';
import { stopSignal } from '@fnfleet/node';
import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient, findFunction } from '../api-client.js';
import { followFleet } from '../logs/follow-fleet.js';
import { formatJson, formatRaw, formatText } from '../logs/format-line.js';
import { remark } from '../terminal/output.js';
import { type LogSourceFlags, runnerOption, runnersOf, throughOption } from './log-source.js';
import { apiOption, wholeNumber } from './options.js';

interface LogsOptions extends LogSourceFlags {
  readonly app?: string;
  readonly tail: number;
  readonly follow: boolean;
  readonly json: boolean;
  readonly raw: boolean;
  readonly api: string;
}

const MAX_TAIL = 1_000_000;

export function logsCommand(): Command {
  return new Command('logs')
    .description('Shows what a function prints, on all runners, until Ctrl-C.')
    .argument('<function>', 'name of the function within --app, or its id')
    .option('--app <name>', 'app it belongs to')
    .addOption(runnerOption())
    .addOption(throughOption())
    .option('--tail <n>', 'start with this many earlier lines of each runner', wholeNumber(0, MAX_TAIL), 10)
    .option('--no-follow', 'exit after the earlier lines')
    .option('--json', 'print one JSON object per line', false)
    .option('--raw', 'print control characters, such as colours, as they are instead of escaping them (\\u001b)', false)
    .addOption(apiOption())
    .action(logs);
}

async function logs(nameOrId: string, options: LogsOptions): Promise<void> {
  const { app, tail, follow, json, raw, api } = options;
  const stop = new AbortController();
  void stopSignal(() => process.exit(1)).then(() => stop.abort());
  const { stdout } = process;
  // The reader has closed the pipe: `fnfleet logs … | head`.
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

import { once } from 'node:events';
import path from 'node:path';
import { printableLine, systemClock } from '@fnfleet/core';
import { stopSignal } from '@fnfleet/node';
import { Command } from 'commander';
import { type FleetAccess, fleetAccess } from '../access/fleet-access.js';
import type { Fetch } from '../access/secure-fetch.js';
import { ApiClient, type FnRef } from '../api-client.js';
import { invokeUrl } from '../deploy/deploy.js';
import { deployFolder } from '../deploy/deploy-folder.js';
import { FolderChanges } from '../dev/folder-changes.js';
import { KeptDeployed } from '../dev/kept-deployed.js';
import { followFleet } from '../logs/follow-fleet.js';
import { formatText } from '../logs/format-line.js';
import { failureText, remark, say } from '../terminal/output.js';
import { type BuildFlags, buildOptionsOf, withBuildOptions } from './build-options.js';
import { type LogSourceFlags, runnerOption, runnersOf, throughOption } from './log-source.js';
import { apiOption } from './options.js';

interface DevOptions extends BuildFlags, LogSourceFlags {
  readonly app: string;
  readonly build: boolean;
  readonly call?: string;
  readonly api: string;
}

/** By then a balancer of `fnfleet up` has looked the function up again (FN_LOOKUP_TTL_MSECS), milliseconds. */
const SEEN_AFTER_MS = 600;
const CALL_LIMIT_MS = 60_000;
const MAX_ANSWER_CHARACTERS = 10_000;

export function devCommand(): Command {
  const command = new Command('dev')
    .description(
      'Builds and deploys a folder whenever a file in it changes, and shows what the function prints, until Ctrl-C.',
    )
    .argument('[folder]', 'folder of the function', '.')
    .option('--app <name>', 'app it belongs to; created if it does not exist', 'dev')
    .option('--no-build', 'for a fleet with the process driver: build nothing, start new processes for each change')
    .option('--call <text>', 'call it with this body after each deployment, and show the response');
  return withBuildOptions(command)
    .addOption(runnerOption())
    .addOption(throughOption())
    .addOption(apiOption())
    .addHelpText(
      'after',
      `
It needs a running fleet: fnfleet up. It ignores changes to files that .dockerignore excludes, and to those in
node_modules, .git and __pycache__.`,
    )
    .action(dev);
}

async function dev(folder: string, options: DevOptions): Promise<void> {
  const stop = new AbortController();
  const stopped = stopSignal(() => process.exit(1)).then(() => stop.abort());
  const access = fleetAccess(process.env);
  const api = new ApiClient(options.api, untilStopped(access.fetch, stop.signal));
  const { app, registry, build, call } = options;
  const folderOptions = { app, registry, build, prune: false, ...buildOptionsOf(options) };
  let listening: Promise<void> | undefined;
  const kept = new KeptDeployed({
    deploy: async (signal) => {
      const startedAt = systemClock.now();
      const image = build ? undefined : nextImage(folder);
      const { fn, lines } = await deployFolder(api, folder, { ...folderOptions, image }, signal);
      say(listening === undefined ? lines : lines.slice(0, 1));
      remark(`• deployed after ${((systemClock.now() - startedAt) / 1000).toFixed(1)} s; waiting for changes`);
      listening ??= listen(fn, options, access, stop.signal);
      if (call !== undefined) await tryCall(fn, call, access, signal);
    },
    onFailure: (error) => remark(`fnfleet: ${failureText(error)}\n• not deployed; waiting for changes`),
    signal: stop.signal,
  });
  const changes = await FolderChanges.watch(folder, () => kept.changed());
  try {
    kept.changed();
    await stopped;
  } finally {
    await Promise.all([changes.close(), kept.settled(), listening]);
  }
}

/** Once Ctrl-C is pressed, the command does not wait for a slow server. */
function untilStopped(fetch: Fetch, stop: AbortSignal): Fetch {
  return (url, options = {}) =>
    fetch(url, { ...options, signal: options.signal ? AbortSignal.any([options.signal, stop]) : stop });
}

/** The process driver uses the name alone, so a new tag means the same folder and new processes. */
function nextImage(folder: string): string {
  return `${path.basename(path.resolve(folder))}:t${systemClock.wallNow()}`;
}

async function listen(fn: FnRef, options: DevOptions, access: FleetAccess, signal: AbortSignal): Promise<void> {
  const { stdout } = process;
  try {
    await followFleet({
      ...(await runnersOf(options, access)),
      tls: access.tls,
      fnId: fn.id,
      tail: 0,
      follow: true,
      onLine: (line) => {
        stdout.write(`${formatText(line)}\n`);
      },
      ready: async () => {
        if (stdout.writableNeedDrain) await once(stdout, 'drain', { signal }).catch(() => undefined);
      },
      onNotice: (text) => remark(`• ${text}`),
      signal,
    });
  } catch (error) {
    remark(`• cannot show its output (--lb, --runner): ${(error as Error).message}`);
  }
}

async function tryCall(fn: FnRef, body: string, { call }: FleetAccess, signal: AbortSignal): Promise<void> {
  await systemClock.sleep(SEEN_AFTER_MS, signal);
  signal.throwIfAborted();
  const response = await call(invokeUrl(fn), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    redirect: 'manual',
    signal: AbortSignal.any([signal, AbortSignal.timeout(CALL_LIMIT_MS)]),
  });
  let answer = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    answer += decoder.decode(chunk, { stream: true });
    if (answer.length > MAX_ANSWER_CHARACTERS) break;
  }
  say([`answer ${response.status}: ${printableLine(answer.trimEnd(), MAX_ANSWER_CHARACTERS)}`]);
}

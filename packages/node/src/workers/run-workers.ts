import { createServer } from 'node:net';
import { createLogger, type Environment, readSettings, systemClock } from '@fnfleet/core';
import { httpSettings } from '@fnfleet/http';
import { checkSettings } from '../check-settings.js';
import { commonSettings } from '../common-settings.js';
import { tellParent, untilStopped } from '../process-control.js';
import { measureProcess } from '../process-metrics.js';
import type { Role } from '../role.js';
import { warnOfSettingNames } from '../unknown-settings.js';
import { WorkerGroup } from './worker-group.js';
import { WorkerProcess } from './worker-process.js';

/** Extra time for workers beyond their own grace, after which they are killed. Milliseconds. */
const BEYOND_GRACE_MS = 5_000;

/**
 * Runs the parent process of several workers: starts them, replaces those that exit, and on SIGTERM or SIGINT drains
 * them. Resolves when all have exited.
 * @throws SettingsError, or Error when workers fail to start
 */
export async function runWorkers(role: Role, count: number, env: Environment, entry: string): Promise<void> {
  checkSettings(role, env);
  const common = readSettings({ ...role.settings, ...commonSettings, ...httpSettings }, env);
  const logger = createLogger({ level: common.logLevel, format: common.logFormat, fields: { role: role.name } });
  warnOfSettingNames(env, logger);
  await checkPort(common.bindAddress, common.port);
  const endMeasuring = measureProcess(role.name);
  const group = new WorkerGroup(
    count,
    systemClock,
    logger,
    (number, startedAt, own, events) => new WorkerProcess(number, startedAt, own, events, entry),
  );
  const stopped = untilStopped(() => {
    logger.warn('second signal, exiting immediately');
    group.signal('SIGKILL');
    process.exit(1);
  });
  try {
    const addresses = await Promise.race([group.start(), stopped.then(() => undefined)]);
    if (addresses !== undefined) {
      logger.info('ready', { ...addresses, workers: count });
      void tellParent({ ready: addresses });
    }
    logger.info('stopping', { reason: await stopped });
  } finally {
    await group.close(common.drainGraceMs + BEYOND_GRACE_MS);
    endMeasuring();
  }
  logger.info('stopped');
}

/**
 * Checks that the port is free: workers share it (SO_REUSEPORT), so another balancer there would take part of the
 * connections.
 */
async function checkPort(host: string, port: number): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => {
      reject(new Error(`cannot listen on ${host}:${port} (FN_PORT, FN_BIND_ADDRESS): ${cause.message}`, { cause }));
    });
    server.listen(port, host, () => server.close(() => resolve()));
  });
}

import { createLogger, type Environment, type Logger, readSettings } from '@fnfleet/core';
import { httpSettings, type Readiness } from '@fnfleet/http';
import { checkSettings } from './check-settings.js';
import { commonSettings } from './common-settings.js';
import { tellParent } from './parent-messages.js';
import { measureProcess } from './process-metrics.js';
import type { Role, RoleDeps, RunningRole } from './role.js';
import { roleSecurity } from './role-security.js';
import { stopSignal } from './stop-signal.js';
import { startTelemetry } from './telemetry/telemetry.js';
import { telemetrySettings } from './telemetry/telemetry-settings.js';
import { warnOfSettingNames } from './unknown-settings.js';
import type { WorkerLink } from './workers/worker-link.js';
import { WORKER_VARIABLE } from './workers/worker-settings.js';

const EXIT_FORCED = 1;

/**
 * The life of a role's process: start, serve, and on SIGTERM or SIGINT drain for the configured grace and end. A second
 * signal ends it at once. Resolves when the role has ended.
 * @throws SettingsError, or what keeps the role from starting
 */
export async function runRole(role: Role, env: Environment): Promise<void> {
  // All of them, before anything is started: one message tells everything that is wrong.
  checkSettings(role, env);
  const common = readSettings({ ...role.settings, ...commonSettings, ...httpSettings, ...telemetrySettings }, env);
  const logger = createLogger({ level: common.logLevel, format: common.logFormat, fields: { role: role.name } });
  // One of several workers has the environment of the process that started it, which has warned.
  if (env[WORKER_VARIABLE] === undefined) warnOfSettingNames(env, logger);
  // Before anything counts: what was counted by then would be nowhere.
  const link = env[WORKER_VARIABLE] === undefined ? undefined : await newWorkerLink();
  const telemetry = await startTelemetry(role.name, common, logger, link && (() => link.metrics()));
  const endMeasuring = measureProcess(role.name);
  surviveStrayErrors(logger);
  let flushed = true;
  try {
    const security = roleSecurity(common, logger);
    try {
      await serve(role, env, { logger, metrics: telemetry.metrics, security, link }, common.drainGraceMs);
    } finally {
      security.close();
    }
  } finally {
    endMeasuring();
    flushed = await telemetry.close();
  }
  logger.info('stopped');
  // What still tries to reach a collector that is away would keep the process alive.
  if (!flushed) process.exit();
}

async function newWorkerLink(): Promise<WorkerLink> {
  const { WorkerLink } = await import('./workers/worker-link.js');
  return new WorkerLink();
}

/** From start to stop, which may come while it starts. */
async function serve(role: Role, env: Environment, deps: Omit<RoleDeps, 'readiness'>, graceMs: number): Promise<void> {
  const { logger } = deps;
  let state: Readiness['state'] = 'starting';
  const running = role.start(env, { ...deps, readiness: () => state });
  const stopped = untilStopped(logger);
  try {
    const early = await Promise.race([running.service.ready, stopped]);
    if (early === undefined) {
      state = 'ready';
      announce(running, logger);
    }
    logger.info('stopping', { reason: await stopped });
    if (early !== undefined) return;
    state = 'draining';
    logger.info('draining', { graceMs });
    const result = await running.service.drain({ graceMs });
    if (result === 'expired') logger.warn('some calls did not finish within the grace and were cut off');
  } finally {
    await running.service.close();
  }
}

function announce(running: RunningRole, logger: Logger): void {
  const addresses = running.addresses();
  logger.info('ready', addresses);
  void tellParent({ ready: addresses });
}

/** Resolves with the reason on the first signal, or when the process that started us is gone. */
function untilStopped(logger: Logger): Promise<string> {
  const { promise: parentGone, resolve } = Promise.withResolvers<string>();
  process.once('disconnect', () => resolve('parent is gone'));
  const forced = () => {
    logger.warn('asked again, ending at once');
    process.exit(EXIT_FORCED);
  };
  return Promise.race([stopSignal(forced), parentGone]);
}

/** An error that nobody caught belongs to one call; the others on this process must not pay for it. */
function surviveStrayErrors(logger: Logger): void {
  process.on('uncaughtException', (error) => logger.error('uncaught error', { error, stack: error.stack }));
  process.on('unhandledRejection', (reason) => logger.error('unhandled rejection', { error: reason }));
}

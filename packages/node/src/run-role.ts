import { createLogger, type Environment, type Logger, readSettings, systemClock } from '@fnfleet/core';
import { httpSettings, type Readiness } from '@fnfleet/http';
import { checkSettings } from './check-settings.js';
import { commonSettings } from './common-settings.js';
import { tellParent, untilStopped } from './process-control.js';
import { measureProcess } from './process-metrics.js';
import type { Role, RoleDeps, RunningRole } from './role.js';
import { roleSecurity } from './role-security.js';
import { returnStartMemory } from './start-memory.js';
import { startTelemetry } from './telemetry/telemetry.js';
import { telemetrySettings } from './telemetry/telemetry-settings.js';
import { warnOfSettingNames } from './unknown-settings.js';
import type { WorkerLink } from './workers/worker-link.js';
import { WORKER_VARIABLE } from './workers/worker-settings.js';

const EXIT_FORCED = 1;

/**
 * Runs the process of a role: starts, serves, and on SIGTERM or SIGINT drains for the configured grace and stops. A
 * second signal ends the process at once. Resolves when the role has stopped.
 * @throws SettingsError, or the error that keeps the role from starting
 */
export async function runRole(role: Role, env: Environment): Promise<void> {
  // Check all settings before anything is started, so that one message lists every problem.
  checkSettings(role, env);
  const common = readSettings({ ...role.settings, ...commonSettings, ...httpSettings, ...telemetrySettings }, env);
  const logger = createLogger({ level: common.logLevel, format: common.logFormat, fields: { role: role.name } });
  // The parent of a worker has the same environment and has already logged these warnings.
  if (env[WORKER_VARIABLE] === undefined) warnOfSettingNames(env, logger);
  // Set metrics up first: measurements before this would be lost.
  const link = env[WORKER_VARIABLE] === undefined ? undefined : await newWorkerLink();
  const telemetry = await startTelemetry(role.name, common, logger, link && (() => link.metrics()));
  const endMeasuring = measureProcess(role.name);
  const startMemory = returnStartMemory(systemClock);
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
    startMemory.cancel();
    endMeasuring();
    flushed = await telemetry.close();
  }
  logger.info('stopped');
  // A pending export to an unreachable collector would keep the process alive.
  if (!flushed) process.exit();
}

async function newWorkerLink(): Promise<WorkerLink> {
  const { WorkerLink } = await import('./workers/worker-link.js');
  return new WorkerLink();
}

/** Runs the service from start to stop; the stop may arrive during the start. */
async function serve(role: Role, env: Environment, deps: Omit<RoleDeps, 'readiness'>, graceMs: number): Promise<void> {
  const { logger } = deps;
  let state: Readiness['state'] = 'starting';
  const running = role.start(env, { ...deps, readiness: () => state });
  const stopped = untilStopped(() => {
    logger.warn('second signal, exiting immediately');
    process.exit(EXIT_FORCED);
  });
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
    if (result === 'expired') logger.warn('some calls did not finish within the grace period and were aborted');
  } finally {
    await running.service.close();
  }
}

function announce(running: RunningRole, logger: Logger): void {
  const addresses = running.addresses();
  logger.info('ready', addresses);
  void tellParent({ ready: addresses });
}

/**
 * Logs uncaught errors instead of exiting: such an error affects one call, and must not fail all others in this
 * process.
 */
function surviveStrayErrors(logger: Logger): void {
  process.on('uncaughtException', (error) => logger.error('uncaught error', { error, stack: error.stack }));
  process.on('unhandledRejection', (reason) => logger.error('unhandled rejection', { error: reason }));
}

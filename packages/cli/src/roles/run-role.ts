import { commonSettings, createLogger, type Environment, type Logger, readSettings } from '@fnfleet/core';
import type { Readiness } from '@fnfleet/http';
import { stopSignal } from '../stop-signal.js';
import type { Role, RunningRole } from './role.js';
import { startMetrics } from './role-metrics.js';
import { roleSecurity } from './role-security.js';

const EXIT_FORCED = 1;

/**
 * The life of a role's process: start, serve, and on SIGTERM or SIGINT drain for the configured grace and end. A second
 * signal ends it at once. Resolves when the role has ended.
 * @throws SettingsError, or what keeps the role from starting
 */
export async function runRole(role: Role, env: Environment): Promise<void> {
  // All of them, before anything is started: one message tells everything that is wrong.
  const common = readSettings({ ...role.settings, ...commonSettings }, env);
  const logger = createLogger({ level: common.logLevel, format: common.logFormat, fields: { role: role.name } });
  surviveStrayErrors(logger);
  const metrics = startMetrics();
  let state: Readiness['state'] = 'starting';
  const running = role.start(env, { logger, metrics, security: roleSecurity(common), readiness: () => state });
  const stopped = untilStopped(logger);
  try {
    await running.service.ready;
  } catch (error) {
    await running.service.close();
    await metrics.close();
    throw error;
  }
  state = 'ready';
  announce(running, logger);
  await stopped;
  state = 'draining';
  logger.info('draining', { graceMs: common.drainGraceMs });
  const result = await running.service.drain({ graceMs: common.drainGraceMs });
  if (result === 'expired') logger.warn('some calls did not finish within the grace and were cut off');
  await running.service.close();
  await metrics.close();
  logger.info('stopped');
  // Whoever started us holds a channel open that would keep the process alive.
  if (process.connected) process.disconnect();
}

function announce(running: RunningRole, logger: Logger): void {
  const addresses = running.addresses();
  logger.info('ready', addresses);
  process.send?.({ ready: addresses });
}

/** Resolves on the first signal, or when the process that started us is gone. */
async function untilStopped(logger: Logger): Promise<void> {
  const { promise: parentGone, resolve } = Promise.withResolvers<string>();
  process.once('disconnect', () => resolve('parent is gone'));
  const forced = () => {
    logger.warn('asked again, ending at once');
    process.exit(EXIT_FORCED);
  };
  const reason = await Promise.race([stopSignal(forced), parentGone]);
  logger.info('stopping', { reason });
}

/** An error that nobody caught belongs to one call; the others on this process must not pay for it. */
function surviveStrayErrors(logger: Logger): void {
  process.on('uncaughtException', (error) => logger.error('uncaught error', { error, stack: error.stack }));
  process.on('unhandledRejection', (reason) => logger.error('unhandled rejection', { error: reason }));
}

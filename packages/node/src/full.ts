import { agentSettings, newAgent, noLogSink } from '@fnfleet/agent';
import { apiSettings, checkDatabaseUrl, checkQueueSettings } from '@fnfleet/api';
import { readSettings, type SettingsOf } from '@fnfleet/core';
import { newCorsPolicy } from '@fnfleet/http';
import { lbSettings } from '@fnfleet/lb-agent';
import { commonSettings } from './common-settings.js';
import { checkDriver, driverSettings, startDriver } from './drivers.js';
import { FullNode } from './full/full-node.js';
import type { Role } from './role.js';

const {
  executionHeadroomMs,
  completeBodyBytes,
  clientStallMs,
  requestIdHeader,
  asyncConsumers,
  asyncBusyPercent,
  asyncSharePercent,
  asyncLeaseMs,
  asyncHeldBytes,
} = lbSettings;

const fullRoleSettings = {
  ...commonSettings,
  ...apiSettings,
  executionHeadroomMs,
  completeBodyBytes,
  clientStallMs,
  requestIdHeader,
  asyncConsumers,
  asyncBusyPercent,
  asyncSharePercent,
  asyncLeaseMs,
  asyncHeldBytes,
  ...agentSettings,
  ...driverSettings,
};

/** An API node and an agent in one process, without a balancer between them; for a single machine. */
export const fullRole: Role = {
  name: 'full',
  settings: fullRoleSettings,
  checks: (given) => {
    const settings = given as SettingsOf<typeof fullRoleSettings>;
    return [
      () => checkDatabaseUrl(settings.dbUrl),
      () => checkQueueSettings(settings),
      () => newCorsPolicy(settings.corsOrigins, settings.corsHeaders),
      () => checkDriver(settings),
    ];
  },
  start(env, { logger, metrics, security, readiness }) {
    const settings = readSettings(fullRoleSettings, env);
    const driver = startDriver(settings, { logger, env });
    // Containers then have their output attached, for the logs of asynchronous calls, whatever call they are started for.
    const logSinks = settings.asyncConsumers > 0 ? [noLogSink] : [];
    const agent = newAgent({ driver, settings, logger, logSinks });
    const node = new FullNode({
      agent,
      settings,
      host: settings.bindAddress,
      port: settings.port,
      metrics,
      tls: security.tls,
      guard: security.guard,
      readiness: () => ({ state: readiness(), degraded: agent.health.reason }),
      logger,
    });
    return { service: node, addresses: () => ({ http: node.address.url }) };
  },
};

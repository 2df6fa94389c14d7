import { apiSettings, checkDatabaseUrl, checkQueueSettings, newApiServer } from '@fnfleet/api';
import { readSettings, type SettingsOf } from '@fnfleet/core';
import { newCorsPolicy } from '@fnfleet/http';
import { commonSettings } from './common-settings.js';
import type { Role } from './role.js';

const apiRoleSettings = { ...commonSettings, ...apiSettings };

/** Serves apps, functions and triggers over REST. */
export const apiRole: Role = {
  name: 'api',
  settings: apiRoleSettings,
  checks: (given) => {
    const settings = given as SettingsOf<typeof apiRoleSettings>;
    return [
      () => checkDatabaseUrl(settings.dbUrl),
      () => checkQueueSettings(settings),
      () => newCorsPolicy(settings.corsOrigins, settings.corsHeaders),
    ];
  },
  start(env, { logger, metrics, security, readiness }) {
    const settings = readSettings(apiRoleSettings, env);
    const server = newApiServer({
      settings,
      host: settings.bindAddress,
      port: settings.port,
      metrics,
      tls: security.tls,
      guard: security.guard,
      readiness: () => ({ state: readiness() }),
      logger,
    });
    return { service: server, addresses: () => ({ http: server.address.url }) };
  },
};

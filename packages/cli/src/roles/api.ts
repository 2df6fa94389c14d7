import { apiSettings, newApiServer } from '@fnfleet/api';
import { commonSettings, readSettings } from '@fnfleet/core';
import type { Role } from './role.js';

const apiRoleSettings = { ...commonSettings, ...apiSettings };

/** Apps, functions and triggers over REST. */
export const apiRole: Role = {
  name: 'api',
  settings: apiRoleSettings,
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

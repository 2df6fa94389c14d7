import { apiSettings, newApiServer } from '@fnfleet/api';
import { commonSettings, readSettings } from '@fnfleet/core';
import type { Role } from './role.js';

/** Apps, functions and triggers over REST. */
export const apiRole: Role = {
  name: 'api',
  start(env, { logger, metrics }) {
    const settings = readSettings({ ...commonSettings, ...apiSettings }, env);
    const server = newApiServer({
      settings,
      host: settings.bindAddress,
      port: settings.port,
      metrics: metrics.handler,
      logger,
    });
    return { service: server, addresses: () => ({ http: server.address.url }) };
  },
};

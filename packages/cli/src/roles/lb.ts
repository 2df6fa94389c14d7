import { commonSettings, readSettings } from '@fnfleet/core';
import { httpSettings } from '@fnfleet/http';
import { lbSettings, newLbServer } from '@fnfleet/lb-agent';
import type { Role } from './role.js';

const lbRoleSettings = { ...commonSettings, ...httpSettings, ...lbSettings };

/** Takes calls over HTTP and places them on runners. */
export const lbRole: Role = {
  name: 'lb',
  settings: lbRoleSettings,
  start(env, { logger, metrics, security, readiness }) {
    const settings = readSettings(lbRoleSettings, env);
    const server = newLbServer({
      settings,
      host: settings.bindAddress,
      port: settings.port,
      metrics,
      tls: security.tls,
      guard: security.guard,
      allowInsecureApi: security.allowInsecure,
      apiToken: security.operatorToken,
      readiness: () => ({ state: readiness() }),
      logger,
    });
    return { service: server, addresses: () => ({ http: server.address.url }) };
  },
};

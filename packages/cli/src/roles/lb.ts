import { commonSettings, readSettings } from '@fnfleet/core';
import { httpSettings } from '@fnfleet/http';
import { lbSettings, newLbServer } from '@fnfleet/lb-agent';
import { newGrpcRunner } from '@fnfleet/placement';
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
      createRunner: (address) => newGrpcRunner(address, { logger }),
      metrics: metrics.handler,
      guard: security.guard,
      apiToken: security.operatorToken,
      readiness: () => ({ state: readiness() }),
      logger,
    });
    return { service: server, addresses: () => ({ http: server.address.url }) };
  },
};

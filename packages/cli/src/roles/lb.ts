import { commonSettings, readSettings } from '@fnfleet/core';
import { httpSettings } from '@fnfleet/http';
import { lbSettings, newLbServer } from '@fnfleet/lb-agent';
import { newGrpcRunner } from '@fnfleet/placement';
import type { Role } from './role.js';

/** Takes calls over HTTP and places them on runners. */
export const lbRole: Role = {
  name: 'lb',
  start(env, { logger, metrics }) {
    const settings = readSettings({ ...commonSettings, ...httpSettings, ...lbSettings }, env);
    const server = newLbServer({
      settings,
      host: settings.bindAddress,
      port: settings.port,
      createRunner: (address) => newGrpcRunner(address, { logger }),
      metrics: metrics.handler,
      logger,
    });
    return { service: server, addresses: () => ({ http: server.address.url }) };
  },
};

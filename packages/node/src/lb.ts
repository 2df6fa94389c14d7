import { readSettings, type SettingsOf } from '@fnfleet/core';
import { checkRunnerPool } from '@fnfleet/discovery';
import { httpSettings, newCorsPolicy } from '@fnfleet/http';
import { checkApiAddresses, lbSettings, newLbServer } from '@fnfleet/lb-agent';
import { choosePlacer } from '@fnfleet/placement';
import { commonSettings } from './common-settings.js';
import type { Role } from './role.js';
import { shareOf, WORKER_VARIABLE, workerSettings } from './workers/worker-settings.js';

const lbRoleSettings = { ...commonSettings, ...httpSettings, ...lbSettings, ...workerSettings };

/** Accepts calls over HTTP and places them on runners. */
export const lbRole: Role = {
  name: 'lb',
  settings: lbRoleSettings,
  processes: (env) => readSettings({ workers: workerSettings.workers }, env).workers,
  checks: (given) => {
    const settings = given as SettingsOf<typeof lbRoleSettings>;
    const { runnerApiUrl, tlsCert, allowInsecure, corsOrigins, corsHeaders } = settings;
    return [
      () => checkApiAddresses(runnerApiUrl, { tls: tlsCert, allowInsecure }, settings),
      () => checkRunnerPool(settings),
      () => choosePlacer(settings.placer),
      () => newCorsPolicy(corsOrigins, corsHeaders),
    ];
  },
  start(env, { logger, metrics, security, link, readiness }) {
    const read = readSettings(lbRoleSettings, env);
    const settings = shareOf(read, read.workers, env[WORKER_VARIABLE]);
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
      joinGroup: link && ((own) => link.join(own)),
      logger,
    });
    return { service: server, addresses: () => ({ http: server.address.url }) };
  },
};

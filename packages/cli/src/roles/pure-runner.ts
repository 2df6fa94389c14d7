import { agentSettings, newAgent } from '@fnfleet/agent';
import { commonSettings, readSettings } from '@fnfleet/core';
import { createNodeApp, HttpService, httpSettings } from '@fnfleet/http';
import { newRegistration, registrationSettings } from '@fnfleet/placement';
import { FunctionLogs, newPureRunner, pureRunnerSettings } from '@fnfleet/pure-runner';
import { driverSettings, startDriver } from './drivers.js';
import type { Role } from './role.js';
import { ServiceGroup } from './service-group.js';

const runnerRoleSettings = {
  ...commonSettings,
  ...httpSettings,
  ...pureRunnerSettings,
  ...agentSettings,
  ...driverSettings,
  ...registrationSettings,
};

/** Executes calls in containers: gRPC for balancers, HTTP for health and metrics. Has no datastore. */
export const pureRunnerRole: Role = {
  name: 'pure-runner',
  settings: runnerRoleSettings,
  start(env, { logger, metrics, security, readiness }) {
    const settings = readSettings(runnerRoleSettings, env);
    const registration = newRegistration({ settings, port: () => runner.address.port, logger });
    const driver = startDriver(settings, { logger, env });
    const logs = settings.disableFunctionLogs ? undefined : new FunctionLogs(settings);
    const agent = newAgent({ driver, settings, logger, logSinks: logs ? [logs] : [] });
    const http = new HttpService({
      handler: createNodeApp({
        routes: [],
        settings,
        metrics: metrics.handler,
        guard: security.guard,
        readiness: () => ({ state: readiness(), degraded: agent.health.reason }),
        logger,
      }),
      host: settings.bindAddress,
      port: settings.port,
      tls: security.tls,
      limits: settings,
      logger,
    });
    const runner = newPureRunner({
      agent,
      listen: `${settings.bindAddress}:${settings.grpcPort}`,
      tls: security.members,
      maxStreams: settings.maxStreams,
      logs,
      detached: settings.detached,
      statusImage: settings.statusImage,
      networkBarrier: settings.networkBarrier,
      kdumpsPath: settings.kdumpsPath,
      logger,
    });
    void Promise.all([http.ready, runner.ready]).then(
      () => registration?.begin(),
      () => undefined, // the role ends, and whoever started it is told why
    );
    return {
      // Drained in reverse: balancers that look for runners no longer find it, before it refuses calls.
      service: new ServiceGroup([http, runner, ...(registration ? [registration] : [])]),
      addresses: () => ({ http: http.address.url, grpc: `${settings.bindAddress}:${runner.address.port}` }),
    };
  },
};

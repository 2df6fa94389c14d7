import { hostname } from 'node:os';
import { agentSettings, newAgent } from '@fnfleet/agent';
import {
  type DrainResult,
  later,
  Once,
  readSettings,
  type Service,
  SettingsError,
  type SettingsOf,
  systemClock,
} from '@fnfleet/core';
import { newRegistration, registrationSettings } from '@fnfleet/discovery';
import { createNodeApp, HttpService, httpSettings, newCorsPolicy } from '@fnfleet/http';
import { FunctionLogs, newPureRunner, pureRunnerSettings } from '@fnfleet/pure-runner';
import { commonSettings } from './common-settings.js';
import { checkDriver, driverSettings, startDriver } from './drivers.js';
import type { Role } from './role.js';
import { OperatorDrain, runnerReport, runnerRoutes } from './runner-routes.js';

const runnerRoleSettings = {
  ...commonSettings,
  ...httpSettings,
  ...pureRunnerSettings,
  ...agentSettings,
  ...driverSettings,
  ...registrationSettings,
};

/** Executes calls in containers. Serves gRPC for balancers and HTTP for health and metrics. Has no datastore. */
export const pureRunnerRole: Role = {
  name: 'pure-runner',
  settings: runnerRoleSettings,
  checks: (given) => {
    const settings = given as SettingsOf<typeof runnerRoleSettings>;
    return [
      () => newRegistration({ settings, port: () => 1 }),
      () => checkReach(settings),
      () => checkDriver(settings),
      () => newCorsPolicy(settings.corsOrigins, settings.corsHeaders),
    ];
  },
  start(env, { logger, metrics, security, readiness }) {
    const settings = readSettings(runnerRoleSettings, env);
    const registration = newRegistration({ settings, port: () => runner.address.port, logger });
    const driver = startDriver(settings, { logger, env });
    const logs = settings.disableFunctionLogs ? undefined : new FunctionLogs(settings);
    const agent = newAgent({ driver, settings, logger, logSinks: logs ? [logs] : [] });
    const drain = new OperatorDrain({
      runner: { suspend: () => runner.suspend(), resume: () => runner.resume() },
      registration,
      isEnding: () => readiness() === 'draining',
    });
    const state = () => (readiness() === 'ready' && drain.isSuspended ? 'suspended' : readiness());
    const name = () => settings.runnerName ?? `${hostname()}:${settings.grpcSocket ?? runner.address.port}`;
    const grpcAddress = () =>
      settings.grpcSocket === undefined
        ? `${settings.bindAddress}:${runner.address.port}`
        : `unix:${settings.grpcSocket}`;
    const report = () =>
      runnerReport({
        name: name(),
        state: state(),
        grpcAddress: grpcAddress(),
        load: runner.load,
        agent,
        driver,
        limits: limitsOf(settings),
        now: systemClock.wallNow(),
      });
    const http = new HttpService({
      handler: createNodeApp({
        routes: runnerRoutes(drain, report),
        settings,
        metrics,
        guard: security.guard,
        readiness: () => ({ state: state(), degraded: agent.health.reason }),
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
      listen: settings.grpcSocket ? `unix:${settings.grpcSocket}` : `${settings.bindAddress}:${settings.grpcPort}`,
      tls: security.members,
      maxStreams: settings.maxStreams,
      maxConnections: settings.maxGrpcConnections,
      maxConnectionsPerAddress: settings.maxGrpcConnectionsPerAddress,
      balancerKeepaliveTimeoutMs: settings.balancerKeepaliveTimeoutMs,
      logs,
      detached: settings.detached,
      statusImage: settings.statusImage,
      networkBarrier: settings.networkBarrier,
      kdumpsPath: settings.kdumpsPath,
      name,
      httpPort: () => http.address.port,
      logger,
    });
    void Promise.all([http.ready, runner.ready]).then(
      () => registration?.start(),
      () => undefined, // the role stops and reports this error itself
    );
    return {
      // Services drain in reverse order: the runner is unregistered before it refuses calls.
      service: new ServiceGroup([http, runner, ...(registration ? [registration] : [])]),
      addresses: () => ({ http: http.address.url, grpc: grpcAddress() }),
    };
  },
};

/** @throws SettingsError if balancers would find the runner at an address where it does not listen */
function checkReach({ grpcSocket, register }: SettingsOf<typeof runnerRoleSettings>): void {
  if (grpcSocket === undefined || register === undefined) return;
  throw new SettingsError([
    'FN_GRPC_SOCKET: cannot be used with FN_REGISTER, because balancers find registered runners by host and port',
  ]);
}

/** The settings that limit what the runner accepts, for operators. */
function limitsOf(settings: SettingsOf<typeof runnerRoleSettings>) {
  return {
    refuses_at_once_when_full: settings.nonBlocking,
    concurrent_launches: settings.maxConcurrentLaunches,
    streams_a_connection: settings.maxStreams,
    drain_grace_ms: settings.drainGraceMs,
    freeze_idle_ms: settings.freezeIdleMs,
    detached_calls: settings.detached,
  };
}

/** Combines several services: ready when all are; drained and closed in reverse order of the list. */
class ServiceGroup implements Service {
  readonly ready: Promise<void>;
  private graceMs = 0;

  constructor(private readonly services: readonly Service[]) {
    this.ready = Promise.all(services.map((service) => service.ready)).then(() => undefined);
    this.ready.catch(() => undefined); // without a listener, a rejection would end the process
  }

  private readonly draining = new Once(async (): Promise<DrainResult> => {
    const until = later(systemClock.now(), this.graceMs);
    let result: DrainResult = 'drained';
    for (const service of this.services.toReversed()) {
      const left = await service.drain({ graceMs: Math.max(0, until - systemClock.now()) });
      if (left === 'expired') result = 'expired';
    }
    return result;
  });

  drain(options: { graceMs: number }): Promise<DrainResult> {
    this.graceMs = options.graceMs;
    return this.draining.call();
  }

  private readonly closing = new Once(async () => {
    for (const service of this.services.toReversed()) await service.close();
  });

  close(): Promise<void> {
    return this.closing.call();
  }
}

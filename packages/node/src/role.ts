import type { Environment, Logger, Service, SettingsShape } from '@fnfleet/core';
import type { Readiness } from '@fnfleet/http';
import type { NodeType } from './common-settings.js';
import type { RoleSecurity } from './role-security.js';
import type { Telemetry } from './telemetry/telemetry.js';
import type { WorkerLink } from './workers/worker-link.js';

/** A role that a process can run. */
export interface Role {
  readonly name: NodeType;
  /** All settings of the role. */
  readonly settings: SettingsShape;
  /** Number of processes that run it together; one by default. */
  readonly processes?: (env: Environment) => number;
  /**
   * Checks of its settings before it starts. Each throws a SettingsError, and leaves nothing open.
   * @param settings the valid settings of the role; invalid ones have their defaults, or are undefined
   */
  readonly checks?: (settings: object) => readonly (() => unknown)[];
  /** @throws SettingsError that lists everything wrong with the environment */
  start(env: Environment, deps: RoleDeps): RunningRole;
}

export interface RoleDeps {
  readonly logger: Logger;
  /** Renders the response to `GET /metrics`. */
  readonly metrics: Telemetry['metrics'];
  readonly security: RoleSecurity;
  /** Set if the process is one of several workers. */
  readonly link?: WorkerLink | undefined;
  /** The lifecycle state of the process. */
  readonly readiness: () => Readiness['state'];
}

export interface RunningRole {
  readonly service: Service;
  /** Its addresses by purpose (`http`, `grpc`). Valid once the service is ready. */
  addresses(): Readonly<Record<string, string>>;
}

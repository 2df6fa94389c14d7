import type { Environment, Logger, Service, SettingsShape } from '@fnfleet/core';
import type { Readiness } from '@fnfleet/http';
import type { NodeType } from './common-settings.js';
import type { RoleSecurity } from './role-security.js';
import type { Telemetry } from './telemetry/telemetry.js';
import type { WorkerLink } from './workers/worker-link.js';

/** One of the parts a process can play. */
export interface Role {
  readonly name: NodeType;
  /** Everything it reads from the environment. */
  readonly settings: SettingsShape;
  /** Processes that play it together; one unless given. */
  readonly processes?: (env: Environment) => number;
  /**
   * What can be found wrong with its settings before it starts. Each throws a SettingsError, and leaves nothing open.
   * @param settings those of the role that fit; the others have their defaults, or are undefined
   */
  readonly checks?: (settings: object) => readonly (() => unknown)[];
  /** @throws SettingsError that lists everything wrong with the environment */
  start(env: Environment, deps: RoleDeps): RunningRole;
}

export interface RoleDeps {
  readonly logger: Logger;
  /** Answers `GET /metrics`. */
  readonly metrics: Telemetry['metrics'];
  readonly security: RoleSecurity;
  /** Set where the process is one of several that are one node. */
  readonly link?: WorkerLink | undefined;
  /** Where the process is in its life. */
  readonly readiness: () => Readiness['state'];
}

export interface RunningRole {
  readonly service: Service;
  /** Where it listens, by purpose (`http`, `grpc`). Valid once the service is ready. */
  addresses(): Readonly<Record<string, string>>;
}

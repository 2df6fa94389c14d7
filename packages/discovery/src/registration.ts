import {
  type Clock,
  type DrainResult,
  type Logger,
  type Service,
  SettingsError,
  type SettingsOf,
  silentLogger,
  systemClock,
  text,
} from '@fnfleet/core';
import { EtcdRegistration } from './etcd/etcd-registration.js';
import { ETCD_FORM, type EtcdPlace, parseEtcdUrl } from './etcd/etcd-url.js';
import { type PoolUrl, parsePoolUrl } from './pool-url.js';
import { joinAddress, problemOfAddress } from './runner-address.js';

/** Settings of a runner that registers itself. */
export const registrationSettings = {
  register: text('FN_REGISTER', {
    secret: true,
    doc: `Where the runner registers itself, so that balancers with the same FN_RUNNER_POOL find it: \`${ETCD_FORM}\`. Parameters: \`ttl\`, seconds after which a killed runner disappears from the list, default 10; \`tls\`, \`ca\`, \`cert\`, \`key\`.`,
  }),
  advertiseAddress: text('FN_ADVERTISE_ADDRESS', {
    doc: 'With FN_REGISTER: the address at which balancers reach the runner, `host:port`; the default port is FN_GRPC_PORT.',
  }),
} as const;

export interface RegistrationOptions {
  readonly settings: Partial<SettingsOf<typeof registrationSettings>>;
  /** Port of the gRPC service; called once it listens. */
  readonly port: () => number;
  readonly clock?: Clock;
  readonly random?: () => number;
  readonly logger?: Logger;
}

/** The entry of a runner in the list that balancers read. */
export interface Registration extends Service {
  /** Registers the runner, and keeps the entry until drain or close. */
  start(): void;
  /** Removes the entry until `resume`. Resolves when it is gone, or etcd was unavailable for too long. */
  suspend(): Promise<void>;
  /** No effect before `start`, and after drain or close. */
  resume(): void;
}

/**
 * @returns undefined unless the settings ask for registration
 * @throws SettingsError
 */
export function newRegistration(options: RegistrationOptions): Registration | undefined {
  const { register, advertiseAddress } = options.settings;
  if (register === undefined) return undefined;
  const problems: string[] = [];
  const found = placeOf(register, problems);
  if (advertiseAddress === undefined) {
    problems.push('FN_ADVERTISE_ADDRESS: required with FN_REGISTER: where balancers reach this runner');
  } else {
    // Errors of the host do not depend on the port.
    const problem = problemOfAddress(withPort(advertiseAddress, 1));
    const got = JSON.stringify(advertiseAddress);
    if (problem !== undefined) problems.push(`FN_ADVERTISE_ADDRESS: expected host:port, got ${got}: ${problem}`);
  }
  if (found === undefined || advertiseAddress === undefined || problems.length > 0) throw new SettingsError(problems);
  const { place, ttlS } = found;
  const { clock = systemClock, random = Math.random, logger = silentLogger, port } = options;
  const entry = () => {
    const address = withPort(advertiseAddress, port());
    return new EtcdRegistration({ place, ttlS, address, clock, random, logger });
  };
  return new LastingRegistration(entry);
}

class LastingRegistration implements Registration {
  readonly ready = Promise.resolve();
  private entry: EtcdRegistration | undefined;
  private entryClosed: Promise<void> = Promise.resolve();
  private started = false;
  private suspended = false;
  private closed = false;

  constructor(private readonly makeEntry: () => EtcdRegistration) {}

  start(): void {
    this.started = true;
    this.enterIfWanted();
  }

  suspend(): Promise<void> {
    this.suspended = true;
    return this.closeEntry();
  }

  resume(): void {
    this.suspended = false;
    this.enterIfWanted();
  }

  async drain(): Promise<DrainResult> {
    await this.close();
    return 'drained';
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.closeEntry();
  }

  private enterIfWanted(): void {
    if (!this.started || this.suspended || this.closed || this.entry !== undefined) return;
    this.entry = this.makeEntry();
    this.entry.start();
  }

  /** A new entry may be created meanwhile, because it has its own lease. */
  private closeEntry(): Promise<void> {
    const { entry } = this;
    this.entry = undefined;
    if (entry !== undefined) this.entryClosed = Promise.all([this.entryClosed, entry.close()]).then(() => undefined);
    return this.entryClosed;
  }
}

const MIN_TTL_S = 2;
const MAX_TTL_S = 3600;
const DEFAULT_TTL_S = 10;

function placeOf(register: string, problems: string[]): { place: EtcdPlace; ttlS: number } | undefined {
  try {
    const url = parsePoolUrl(register);
    if (url.scheme !== 'etcd') throw new Error(`unknown scheme ${JSON.stringify(url.scheme)}; known: etcd`);
    return { place: parseEtcdUrl(url, ['ttl']), ttlS: ttlOf(url) };
  } catch (error) {
    problems.push(`FN_REGISTER: ${(error as Error).message}`);
    return undefined;
  }
}

function ttlOf(url: PoolUrl): number {
  const text = url.params.get('ttl');
  if (text === undefined) return DEFAULT_TTL_S;
  const ttlS = Number(text);
  if (!/^\d+$/.test(text) || ttlS < MIN_TTL_S || ttlS > MAX_TTL_S) {
    throw new Error(`ttl: expected whole seconds from ${MIN_TTL_S} to ${MAX_TTL_S}, got ${JSON.stringify(text)}`);
  }
  return ttlS;
}

function withPort(address: string, port: number): string {
  const hasPort = /^(\[.*\]|[^:]*):[^:]*$/.test(address);
  return hasPort ? address : joinAddress(address.replace(/^\[(.*)\]$/, '$1'), port);
}

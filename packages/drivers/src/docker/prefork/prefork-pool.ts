import { type Clock, IdGenerator, LONG_AGO, Once } from '@fnfleet/core';
import type { ContainerCreateOptions } from 'dockerode';
import type { ContainerPolicy } from '../container-policy.js';
import { confinement } from '../create-request.js';
import type { PreforkSettings } from '../docker-settings.js';
import { isNotFound } from '../engine-errors.js';
import type { NetworkMembership } from '../network-pool.js';
import { type PreforkDeps, PreforkMember } from './prefork-member.js';

/** Memory that is reserved for each idle container of the pool. */
export const PREFORK_MEMBER_MB = 1;
/** Rate of starts of all supervisors together, so that containers that exit at once do not keep the engine busy. */
const STARTS_PER_SECOND = 10;
const START_BURST = 20;

/**
 * Containers that only hold a network for functions to join: setting up a network is a large part of the start time of a
 * container.
 *
 * F1  Each place in the pool has a supervisor: it creates a container, adds it to the free ones when it runs, removes it when it
 *     has exited or was closed, and starts over.
 * F2  A container is lent to one function at a time, the most recently returned one first.
 * F3  close() ends the supervisors and removes their containers, without waiting for lent ones.
 * F4  A container is inspected before it is lent: no function can start on the network of an exited container, and the engine
 *     may report an exit late.
 */
export class PreforkPool {
  /** All containers from before their creation until after their removal, by name. */
  private readonly members = new Map<string, PreforkMember>();
  private readonly running = new Set<PreforkMember>();
  /** Running containers that are not lent; the next to be lent is last. */
  private free: PreforkMember[] = [];
  private readonly rate: RateLimit;
  private readonly ids = new IdGenerator();
  private readonly lifetime = new AbortController();
  private readonly supervising = new Once(() => this.superviseAll());
  private readonly closing = new Once(() => this.closeOnce());

  constructor(
    private readonly settings: PreforkSettings,
    private readonly policy: ContainerPolicy,
    private readonly deps: PreforkDeps,
  ) {
    this.rate = new RateLimit({ perSecond: STARTS_PER_SECOND, burst: START_BURST, clock: deps.clock });
  }

  /** Fills the pool, in the background. */
  start(): void {
    if (!this.closing.called) void this.supervising.call();
  }

  /** Lends a network; undefined if none is available. */
  async join(): Promise<NetworkMembership | undefined> {
    for (let member = this.free.pop(); member !== undefined; member = this.free.pop()) {
      const state = await this.look(member);
      if (state === 'runs') return this.lend(member);
      if (state === 'unknown') {
        this.takeBack(member);
        return undefined;
      }
      // Its supervisor, which has not noticed the exit yet, creates another.
      member.close();
    }
    this.deps.logger.debug('docker pre fork pool empty');
    return undefined;
  }

  /** Whether a container belongs to the pool. */
  has(name: string): boolean {
    return this.members.has(name);
  }

  /** Removes all containers. Idempotent, never rejects. */
  close(): Promise<void> {
    return this.closing.call();
  }

  private lend(member: PreforkMember): NetworkMembership {
    const giveBack = new Once(async () => this.takeBack(member));
    return { network: member.network, release: () => void giveBack.call() };
  }

  /** F4. `unknown` if the engine does not answer. */
  private async look(member: PreforkMember): Promise<'runs' | 'ended' | 'unknown'> {
    try {
      const { running } = await this.deps.engine.inspectContainer(member.name);
      return running && this.running.has(member) ? 'runs' : 'ended';
    } catch (error) {
      return isNotFound(error) ? 'ended' : 'unknown';
    }
  }

  private takeBack(member: PreforkMember): void {
    if (this.settings.preforkUseOnce !== 0) member.close();
    // One that has exited meanwhile is not reused.
    else if (this.running.has(member)) this.free.push(member);
  }

  private async superviseAll(): Promise<void> {
    await Promise.all(Array.from({ length: this.settings.preforkSize }, (_, index) => this.supervise(index)));
  }

  private async supervise(index: number): Promise<void> {
    const { preforkNetworks } = this.settings;
    const network = preforkNetworks[index % preforkNetworks.length];
    let failures = 0;
    for (;;) {
      await this.rate.turn(this.lifetime.signal);
      if (this.lifetime.signal.aborted) return;
      const name = `${index}_prefork_${this.ids.next()}`;
      try {
        await this.run(new PreforkMember(name, preforkRequest(name, network, this.settings, this.policy), this.deps));
        failures = 0;
      } catch (error) {
        failures += 1;
        // Logged once, not for each retry.
        if (failures === 1) this.deps.logger.warn('cannot run a prefork pool container', { name, error });
      }
    }
  }

  private async run(member: PreforkMember): Promise<void> {
    this.members.set(member.name, member);
    try {
      await member.live({
        onRunning: () => {
          this.running.add(member);
          this.free.push(member);
        },
        onEnded: () => {
          this.running.delete(member);
          this.free = this.free.filter((other) => other !== member);
        },
      });
    } finally {
      this.members.delete(member.name);
    }
  }

  private async closeOnce(): Promise<void> {
    this.lifetime.abort();
    for (const member of this.members.values()) member.close();
    if (this.supervising.called) await this.supervising.call();
  }
}

/** The request to create a container of the pool, isolated like a function. */
function preforkRequest(
  name: string,
  network: string | undefined,
  settings: PreforkSettings,
  policy: ContainerPolicy,
): ContainerCreateOptions {
  const { User, Healthcheck, HostConfig } = confinement(policy);
  return {
    name,
    Hostname: name,
    Image: settings.preforkImage,
    Cmd: [...settings.preforkCommand],
    Labels: { ...policy.labels },
    AttachStdin: false,
    AttachStdout: false,
    AttachStderr: false,
    ...(User === undefined ? {} : { User }),
    Healthcheck,
    HostConfig: {
      ...HostConfig,
      LogConfig: { Type: 'none', Config: {} },
      ...(network === undefined ? {} : { NetworkMode: network }),
    },
  };
}

interface RateLimitOptions {
  readonly perSecond: number;
  /** How many may pass at once after an idle period. */
  readonly burst: number;
  readonly clock: Clock;
}

/** Limits how many callers pass per second, in order of arrival. */
export class RateLimit {
  private readonly intervalMs: number;
  /** The instant up to which the rate has been used by callers that passed. */
  private paidAt: number = LONG_AGO;

  constructor(private readonly options: RateLimitOptions) {
    this.intervalMs = 1000 / options.perSecond;
  }

  /** Resolves when it is the caller's turn, or at once on abort. Never rejects. */
  async turn(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const { clock, burst } = this.options;
    const now = clock.now();
    this.paidAt = Math.max(this.paidAt, now) + this.intervalMs;
    const waitMs = this.paidAt - now - burst * this.intervalMs;
    if (waitMs > 0) await clock.sleep(waitMs, signal);
  }
}

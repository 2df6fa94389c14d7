import {
  type Clock,
  count,
  countFromZero,
  FnError,
  Listeners,
  type Logger,
  type MonoMs,
  Once,
  silentLogger,
  systemClock,
} from '@fnfleet/core';
import type { Member, MemberList, MembershipSource, PoolStatus, RefusedAddress } from './membership.js';
import { addressKey, problemOfAddress } from './runner-address.js';

export interface MembershipPoolOptions<R extends Member> {
  /** The kind of pool, for operators. */
  readonly kind: string;
  /** What the source reads, for operators; without secrets. */
  readonly description: string;
  readonly source: MembershipSource;
  readonly createRunner: (address: string) => R;
  /** Returns what is wrong with an address. Default: it must be `host:port`. */
  readonly checkAddress?: (address: string) => string | undefined;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/**
 * The runners that a source lists.
 *
 * M1  A runner that stays is not affected when others come and go: same object, same connection.
 * M2  A runner that leaves gets no more calls and finishes those in flight.
 * M3  A source that fails changes nothing: an old list is better than none. The failure is reported with the list.
 * M4  A bad entry does not affect the others, and an address that is listed twice gets one share.
 * M5  The array of runners is the same until a runner joins or leaves.
 */
export class MembershipPool<R extends Member> {
  private readonly changes = new Listeners<[]>();
  private list: MemberList<R>;
  private readonly leaving = new Map<R, Promise<void>>();
  private refused: readonly RefusedAddress[] = [];
  private listedAt: MonoMs | undefined;
  private changedAt: MonoMs | undefined;
  private failing: Error | undefined;
  private lastFailure: { readonly error: Error; readonly at: MonoMs } | undefined;
  private readonly clock: Clock;
  private readonly logger: Logger;

  constructor(private readonly options: MembershipPoolOptions<R>) {
    this.clock = options.clock ?? systemClock;
    this.logger = (options.logger ?? silentLogger).child({ pool: options.description });
    this.list = { runners: [], error: poolError(new Error(`${options.description} has not answered yet`)) };
    countFromZero('lb_pool_runners');
    countFromZero('lb_pool_stale');
    countFromZero('lb_pool_source_failures');
    countFromZero('lb_pool_changes', { change: 'joined' }, { change: 'left' });
    options.source.start({
      onMembers: (addresses) => this.onMembers(addresses),
      onFailure: (error) => this.onFailure(error),
    });
  }

  /** @returns a function that unsubscribes; idempotent */
  subscribe(onChange: () => void): () => void {
    return this.changes.subscribe(onChange);
  }

  runners(): MemberList<R> {
    return this.list;
  }

  members(): readonly R[] {
    return this.list.runners;
  }

  status(): PoolStatus {
    const age = (at: MonoMs | undefined) => (at === undefined ? undefined : Math.round(this.clock.now() - at));
    const { kind, description } = this.options;
    return {
      kind,
      source: description,
      addresses: this.list.runners.map((runner) => runner.address),
      leaving: [...this.leaving.keys()].map((runner) => runner.address),
      refused: this.refused,
      listAgeMs: age(this.listedAt),
      changedAgeMs: age(this.changedAt),
      failing: this.failing !== undefined,
      lastFailure: this.lastFailure && {
        reason: reasonOf(this.lastFailure.error),
        ageMs: Math.round(this.clock.now() - this.lastFailure.at),
      },
    };
  }

  /** Closes the source, then every runner, including those that have left and still have calls in flight. */
  close(): Promise<void> {
    return this.closing.call();
  }

  private readonly closing = new Once(async () => {
    await this.options.source.close();
    if (this.failing) count('lb_pool_stale', -1);
    count('lb_pool_runners', -this.list.runners.length);
    await Promise.all([...this.list.runners.map((runner) => runner.close()), ...this.leaving.values()]);
  });

  private onMembers(addresses: readonly string[]): void {
    if (this.closing.called) return;
    const { runners, refused } = this.resolve(addresses);
    this.noteRefused(refused);
    const [first] = refused;
    if (runners.length === 0 && first !== undefined) {
      this.onFailure(new Error(`none of ${refused.length} entries is a runner; ${first.address}: ${first.reason}`));
      return;
    }
    this.listedAt = this.clock.now();
    this.noteRecovery();
    this.replace(runners);
  }

  /** The runners of a list: existing ones are kept (M1), others are created. */
  private resolve(addresses: readonly string[]): { runners: R[]; refused: RefusedAddress[] } {
    const present = new Map(this.list.runners.map((runner) => [addressKey(runner.address), runner]));
    const runners = new Map<string, R>();
    const refused: RefusedAddress[] = [];
    const { checkAddress = problemOfAddress, createRunner } = this.options;
    for (const text of addresses) {
      const address = text.trim();
      try {
        const problem = checkAddress(address);
        if (problem !== undefined) throw new Error(problem);
        const key = addressKey(address);
        if (!runners.has(key)) runners.set(key, present.get(key) ?? createRunner(address));
      } catch (error) {
        refused.push({ address: shortened(address), reason: reasonOf(error) });
      }
    }
    return { runners: [...runners.values()], refused };
  }

  private replace(runners: readonly R[]): void {
    const before = this.list.runners;
    const [old, current] = [new Set(before), new Set(runners)];
    const joined = runners.filter((runner) => !old.has(runner));
    const left = before.filter((runner) => !current.has(runner));
    const same = before.length === runners.length && before.every((runner, at) => runner === runners[at]);
    if (same && this.list.error === undefined) return;
    this.list = { runners: same ? before : Object.freeze([...runners]) };
    if (same) return;
    this.changedAt = this.clock.now();
    count('lb_pool_runners', joined.length - left.length);
    count('lb_pool_changes', joined.length, { change: 'joined' });
    count('lb_pool_changes', left.length, { change: 'left' });
    this.logger[runners.length === 0 ? 'warn' : 'info']('runners changed', {
      runners: runners.length,
      joined: namesOf(joined),
      left: namesOf(left),
    });
    for (const runner of left) this.release(runner);
    this.changes.emit();
  }

  private release(runner: R): void {
    const closed = runner.close().finally(() => this.leaving.delete(runner));
    this.leaving.set(runner, closed);
  }

  private onFailure(error: Error): void {
    if (this.closing.called) return;
    count('lb_pool_source_failures');
    // A repeated failure is logged once.
    if (this.failing === undefined || reasonOf(this.failing) !== reasonOf(error)) {
      const runners = this.list.runners.length;
      this.logger.warn('cannot read the list of runners, the last known list stays in use', { runners, error });
    }
    if (this.failing === undefined) count('lb_pool_stale');
    this.failing = error;
    this.lastFailure = { error, at: this.clock.now() };
    this.list = { runners: this.list.runners, error: poolError(error) };
  }

  private noteRecovery(): void {
    if (this.failing === undefined) return;
    this.failing = undefined;
    count('lb_pool_stale', -1);
    this.logger.info('the list of runners can be read again');
  }

  private noteRefused(refused: readonly RefusedAddress[]): void {
    const known = new Set(this.refused.map(({ address }) => address));
    for (const { address, reason } of refused) {
      if (!known.has(address)) this.logger.error('invalid runner address ignored', { address, reason });
    }
    this.refused = refused;
  }
}

/** The error for callers; the log has the reason. */
function poolError(cause: Error): Error {
  return new FnError('runnersUnknown', { cause });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function namesOf(runners: readonly Member[]): string | undefined {
  return runners.map((runner) => runner.address).join(' ') || undefined;
}

/** A misconfigured source may have very long lines. */
function shortened(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}

import type { MembershipListener, MembershipSource, SourceDeps } from '../membership.js';
import { RetryingSource } from '../retry-loop.js';
import { EtcdClient, type EtcdPair, rangeOf, unbase64 } from './etcd-client.js';
import type { EtcdPlace } from './etcd-url.js';

/** How often to check that the watched member is still part of the cluster. */
const CHECK_MS = 10_000;
/** A watch that ends after this time was healthy; the next may follow at once. */
const GOOD_WATCH_MS = 5000;
const MAX_PAUSE_MS = 500;

/**
 * The values of all keys with a prefix, each the address of a runner, written by `EtcdRegistration`.
 *
 *   range ──▶ watch from the revision after it ──ends, revision compacted──▶ range, …
 */
export function newEtcdSource(place: EtcdPlace, deps: SourceDeps): MembershipSource {
  const client = new EtcdClient(place, deps.clock);
  return new RetryingSource((found, signal) => new EtcdLook(client, place.prefix, deps, found).run(signal), deps);
}

class EtcdLook {
  /** Key → address. */
  private readonly members = new Map<string, string>();

  constructor(
    private readonly client: EtcdClient,
    private readonly prefix: string,
    private readonly deps: SourceDeps,
    private readonly found: MembershipListener,
  ) {}

  async run(signal: AbortSignal): Promise<number> {
    const { clock, random } = this.deps;
    const revision = await this.readAll(signal);
    const begun = clock.now();
    const life = new AbortController();
    const either = AbortSignal.any([signal, life.signal]);
    const checks = this.checkUntil(life, either);
    try {
      if (await this.follow(revision + 1n, either)) return 0;
    } catch (error) {
      if (signal.aborted || clock.now() - begun < GOOD_WATCH_MS) throw error;
    } finally {
      life.abort();
      await checks;
    }
    return random() * MAX_PAUSE_MS;
  }

  /** @returns the revision of the list */
  private async readAll(signal: AbortSignal): Promise<bigint> {
    const { header, kvs = [] } = await this.client.call('/v3/kv/range', rangeOf(this.prefix), signal);
    if (header?.revision === undefined) throw new Error('the server is not etcd');
    for (const pair of kvs) this.put(pair);
    // A store that lost its data, or a wrong prefix, looks like this. That the last runner left is seen in a watch.
    if (kvs.length === 0) this.found.onFailure(new Error(`no runner is registered under ${this.prefix}`));
    else this.report();
    return BigInt(header.revision);
  }

  /**
   * Reports changes.
   * @returns true if the revision was compacted and everything must be read again
   * @throws why the watch ended
   */
  private async follow(revision: bigint, signal: AbortSignal): Promise<boolean> {
    for await (const { result, error } of await this.client.watch(rangeOf(this.prefix), revision, signal)) {
      if (error !== undefined) throw new Error(`the watch failed: ${error.message}`);
      if (BigInt(result?.compact_revision ?? 0) > 0n) return true;
      if (result?.canceled) throw new Error(`the watch was cancelled: ${result.cancel_reason}`);
      const { events = [] } = result ?? {};
      for (const { type, kv } of events) {
        if (type === 'DELETE') this.members.delete(kv.key);
        else this.put(kv);
      }
      if (events.length > 0) this.report();
    }
    throw new Error('the watch ended');
  }

  /** A watch is silent while nothing changes, but also when its member hangs or is cut off from the others. */
  private async checkUntil(life: AbortController, signal: AbortSignal): Promise<void> {
    const range = { ...rangeOf(this.prefix), count_only: true };
    for (;;) {
      await this.deps.clock.sleep(CHECK_MS, signal);
      if (signal.aborted) return;
      try {
        await this.client.callSame('/v3/kv/range', range, signal);
      } catch (error) {
        life.abort(error);
      }
    }
  }

  private put({ key, value }: EtcdPair): void {
    this.members.set(key, unbase64(value));
  }

  private report(): void {
    this.found.onMembers([...this.members.values()].sort());
  }
}

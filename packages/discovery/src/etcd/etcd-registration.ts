import type { Clock, Logger } from '@fnfleet/core';
import { RetryLoop } from '../retry-loop.js';
import { base64, EtcdClient } from './etcd-client.js';
import type { EtcdPlace } from './etcd-url.js';

export interface EtcdRegistrationOptions {
  readonly place: EtcdPlace;
  /** Where balancers reach this runner. */
  readonly address: string;
  /** How long the entry outlives a runner that was killed, seconds. */
  readonly ttlS: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

/**
 * The entry of one runner in etcd, for as long as it lives.
 *
 * R1  The entry hangs on a lease: it goes by itself when nobody keeps the lease alive.
 * R2  A lease that is lost is replaced at once, an entry that somebody removed is written again.
 * R3  etcd being away never ends the runner. It goes on trying, at least once in the time a lease lasts.
 * R4  An entry that another process has written over ours while we live is another runner with our address: that is told,
 *     and the entry left as it is.
 * R5  Withdrawing takes the entry away first, and gives up after some seconds: the lease then ends by itself.
 */
export class EtcdRegistration {
  private readonly client: EtcdClient;
  private readonly loop: RetryLoop;
  private readonly entry: { readonly key: string; readonly value: string };
  private lease: string | undefined;
  private written = false;
  private failing = false;
  /** R4. The lease of the other that was told of. */
  private rival: string | undefined;

  constructor(private readonly options: EtcdRegistrationOptions) {
    const { place, address, clock, random, ttlS } = options;
    this.client = new EtcdClient(place, clock);
    this.entry = { key: base64(`${place.prefix}${address}`), value: base64(address) };
    this.loop = new RetryLoop({
      act: (signal) => this.keepUp(signal),
      onFailure: (error) => this.noteFailure(error),
      clock,
      random,
      maxRetryMs: this.restMs,
    });
    this.logger = options.logger.child({ address, prefix: place.prefix, ttlS });
  }

  private readonly logger: Logger;

  begin(): void {
    this.loop.start();
  }

  /** Takes the entry away, for good. Idempotent, never rejects. */
  async withdraw(): Promise<void> {
    await this.loop.close();
    const { lease } = this;
    this.lease = undefined;
    if (lease === undefined) return;
    try {
      await this.client.call('/v3/lease/revoke', { ID: lease }, new AbortController().signal);
      this.logger.info('no longer registered');
    } catch (error) {
      this.logger.warn('the registration could not be withdrawn; it ends with its lease', { error });
    }
  }

  /** Three tries before the lease ends. */
  private get restMs(): number {
    return (this.options.ttlS * 1000) / 3;
  }

  private async keepUp(signal: AbortSignal): Promise<number> {
    if (this.lease !== undefined && !(await this.keepAlive(this.lease, signal))) {
      this.logger.warn('the lease of the registration was lost');
      this.lease = undefined;
    }
    this.lease ??= await this.grant(signal);
    await this.write(this.lease, signal);
    this.noteSuccess();
    return this.restMs;
  }

  private async grant(signal: AbortSignal): Promise<string> {
    this.written = false;
    const { ID } = await this.client.call('/v3/lease/grant', { TTL: String(this.options.ttlS) }, signal);
    if (ID === undefined) throw new Error('what answers is not an etcd');
    return ID;
  }

  /** @returns whether the lease still exists */
  private async keepAlive(lease: string, signal: AbortSignal): Promise<boolean> {
    const { result } = await this.client.call('/v3/lease/keepalive', { ID: lease }, signal);
    return Number(result?.TTL ?? 0) > 0;
  }

  /** The first time over whatever is there, which an earlier life of this runner has left; later only if nothing is there. */
  private async write(lease: string, signal: AbortSignal): Promise<void> {
    const put = { ...this.entry, lease };
    if (!this.written) {
      await this.client.call('/v3/kv/put', put, signal);
      this.written = true;
      this.logger.info('registered');
      return;
    }
    const absent = { key: this.entry.key, target: 'CREATE', result: 'EQUAL', create_revision: '0' };
    const txn = {
      compare: [absent],
      success: [{ request_put: put }],
      failure: [{ request_range: { key: this.entry.key } }],
    };
    const { responses = [] } = await this.client.call('/v3/kv/txn', txn, signal);
    this.noteOwner(responses[0]?.response_range?.kvs?.[0]?.lease, lease);
  }

  /** R4 */
  private noteOwner(owner: string | undefined, own: string): void {
    const rival = owner === own ? undefined : owner;
    if (rival !== undefined && rival !== this.rival) {
      this.logger.error(
        'another runner has registered with the address of this one: balancers reach only one of the two. ' +
          'Give each runner its own FN_ADVERTISE_ADDRESS',
      );
    }
    this.rival = rival;
  }

  private noteFailure(error: Error): void {
    if (!this.failing) this.logger.warn('cannot register', { error });
    this.failing = true;
  }

  private noteSuccess(): void {
    if (this.failing) this.logger.info('the registration is in order again');
    this.failing = false;
  }
}

import type { Clock, Logger } from '@fnfleet/core';
import { RetryLoop } from '../retry-loop.js';
import { base64, EtcdClient } from './etcd-client.js';
import type { EtcdPlace } from './etcd-url.js';

export interface EtcdRegistrationOptions {
  readonly place: EtcdPlace;
  /** Where balancers reach this runner. */
  readonly address: string;
  /** How long the entry outlives a killed runner, seconds. */
  readonly ttlS: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
}

/**
 * The entry of one runner in etcd.
 *
 * R1  The entry has a lease, so it disappears when nobody keeps the lease alive.
 * R2  A lost lease is replaced at once, and an entry that somebody removed is written again.
 * R3  An etcd outage never ends the runner. It retries, at least once per lease time.
 * R4  If another process overwrites our entry while we live, another runner has our address: this is logged, and the entry is left
 *     as it is.
 * R5  Withdrawing removes the entry first, and gives up after some seconds: the lease then expires by itself.
 */
export class EtcdRegistration {
  private readonly client: EtcdClient;
  private readonly loop: RetryLoop;
  private readonly entry: { readonly key: string; readonly value: string };
  private lease: string | undefined;
  private written = false;
  private failing = false;
  /** R4. The lease of the other runner that was reported. */
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

  start(): void {
    this.loop.start();
  }

  /** Removes the entry for good. Idempotent, never rejects. */
  async close(): Promise<void> {
    await this.loop.close();
    const { lease } = this;
    this.lease = undefined;
    if (lease === undefined) return;
    try {
      await this.client.call('/v3/lease/revoke', { ID: lease }, new AbortController().signal);
      this.logger.info('registration withdrawn');
    } catch (error) {
      this.logger.warn('cannot withdraw the registration, it expires with its lease', { error });
    }
  }

  /** Three attempts before the lease expires. */
  private get restMs(): number {
    return (this.options.ttlS * 1000) / 3;
  }

  private async keepUp(signal: AbortSignal): Promise<number> {
    if (this.lease !== undefined && !(await this.keepAlive(this.lease, signal))) {
      this.logger.warn('registration lease lost, registering again');
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
    if (ID === undefined) throw new Error('the server is not etcd');
    return ID;
  }

  /** @returns whether the lease still exists */
  private async keepAlive(lease: string, signal: AbortSignal): Promise<boolean> {
    const { result } = await this.client.call('/v3/lease/keepalive', { ID: lease }, signal);
    return Number(result?.TTL ?? 0) > 0;
  }

  /** The first time it overwrites an entry that an earlier life of this runner has left; later it only writes if there is none. */
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
        'another runner has registered the same address: balancers reach only one of the two. ' +
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
    if (this.failing) this.logger.info('registration restored');
    this.failing = false;
  }
}

import type { Clock } from '@fnfleet/core';
import { HttpFailure, type JsonRequest, requestJson, streamJson } from '../http/json-http.js';
import type { EtcdPlace } from './etcd-url.js';

/** All fields of responses that are read. 64-bit numbers are texts, keys and values are base64. */
export interface EtcdAnswer {
  readonly header?: { readonly revision?: string };
  readonly kvs?: readonly EtcdPair[];
  /** Time to live of a lease, in seconds. */
  readonly ID?: string;
  readonly TTL?: string;
  readonly result?: { readonly TTL?: string };
  readonly token?: string;
  /** The result of each step of a transaction. */
  readonly responses?: readonly { readonly response_range?: { readonly kvs?: readonly EtcdPair[] } }[];
}

export interface EtcdPair {
  readonly key: string;
  readonly value?: string;
  /** The lease of the entry. */
  readonly lease?: string;
}

/** One line of a watch. */
export interface EtcdNews {
  readonly result?: {
    readonly canceled?: boolean;
    readonly cancel_reason?: string;
    /** Set if the requested revision was compacted. */
    readonly compact_revision?: string;
    /** An event without a type is a PUT. */
    readonly events?: readonly { readonly type?: string; readonly kv: EtcdPair }[];
  };
  readonly error?: { readonly message?: string };
}

const TIMEOUT_MS = 5000;
const UNAUTHENTICATED = 401;

/**
 * etcd through its HTTP gateway. Uses one member as long as it answers, and then the next.
 */
export class EtcdClient {
  private at = 0;
  private token: string | undefined;

  constructor(
    private readonly place: EtcdPlace,
    private readonly clock: Clock,
  ) {}

  /** @throws the error of the last member if none succeeds */
  async call(path: string, body: object, signal: AbortSignal): Promise<EtcdAnswer> {
    for (let tried = 1; ; tried += 1) {
      try {
        return await this.callSame(path, body, signal);
      } catch (error) {
        if (signal.aborted || isFinal(error)) throw error;
        this.at = (this.at + 1) % this.place.endpoints.length;
        if (tried >= this.place.endpoints.length) throw error;
      }
    }
  }

  /** Asks only the member that answered last. */
  callSame(path: string, body: object, signal: AbortSignal): Promise<EtcdAnswer> {
    return this.authenticated(signal, () => this.post(path, body, signal));
  }

  /** Watches a range of keys from a revision on, at the member that answered last. */
  async watch(range: object, revision: bigint, signal: AbortSignal): Promise<AsyncIterable<EtcdNews>> {
    // A stream cannot be retried with another token, so the token is renewed first if necessary.
    if (this.place.user !== undefined) await this.callSame('/v3/kv/range', { ...range, count_only: true }, signal);
    const create_request = { ...range, start_revision: String(revision) };
    const request = this.request('/v3/watch', { create_request });
    return streamJson(request, this.limits(signal)) as AsyncIterable<EtcdNews>;
  }

  private async authenticated<T>(signal: AbortSignal, act: () => Promise<T>): Promise<T> {
    const { user } = this.place;
    if (user === undefined) return act();
    const had = this.token;
    if (had !== undefined) {
      try {
        return await act();
      } catch (error) {
        if (!(error instanceof HttpFailure) || error.status !== UNAUTHENTICATED) throw error;
      }
    }
    // A token lasts some minutes, and not beyond a restart of its member.
    this.token = undefined;
    this.token = (await this.post('/v3/auth/authenticate', user, signal)).token;
    return act();
  }

  private async post(path: string, body: object, signal: AbortSignal): Promise<EtcdAnswer> {
    return (await requestJson(this.request(path, body), this.limits(signal))) as EtcdAnswer;
  }

  private request(path: string, body: object): JsonRequest {
    const headers = this.token === undefined ? {} : { authorization: this.token };
    return { method: 'POST', url: `${this.place.endpoints[this.at]}${path}`, headers, body, tls: this.place.tls };
  }

  private limits(signal: AbortSignal) {
    return { clock: this.clock, timeoutMs: TIMEOUT_MS, signal };
  }
}

/** Errors that every member would report. */
function isFinal(error: unknown): boolean {
  return error instanceof HttpFailure && error.status < 500;
}

/** The range of all keys with a prefix, as part of a request. */
export function rangeOf(prefix: string): { key: string; range_end: string } {
  const end = Buffer.from(prefix);
  // The prefix ends in a slash, so its last byte can be incremented.
  end[end.length - 1] = (end.at(-1) ?? 0) + 1;
  return { key: base64(prefix), range_end: end.toString('base64') };
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}

export function unbase64(text = ''): string {
  return Buffer.from(text, 'base64').toString();
}

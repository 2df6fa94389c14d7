import { type Clock, readSmallFile } from '@fnfleet/core';
import { HttpFailure, type JsonRequest, requestJson, streamJson } from '../http/json-http.js';
import type { MembershipListener, MembershipSource, SourceDeps } from '../membership.js';
import { RetryingSource } from '../retry-loop.js';
import { addressesOf, type EndpointSlice } from './endpoint-slice.js';
import type { KubernetesPlace } from './kubernetes-url.js';

/** The server ends a watch after this time, and the next one continues there. A watch that lasts much longer is considered dead. */
const WATCH_S = 60;
const WATCH_GRACE_MS = 10_000;
/** A watch that ends after this time was healthy; the next may follow at once. */
const GOOD_WATCH_MS = 5000;
const MAX_PAUSE_MS = 500;
const GONE = 410;

/**
 * The ready endpoints of a service, from its EndpointSlices. A service without ready pods is an empty fleet: Kubernetes reports
 * each pod, and gives the address of a pod that is gone to another one.
 *
 *   list ──▶ watch from its version ──time is over──▶ watch from the last version seen
 *    ▲                 └──version is gone (410), broken──┐
 *    └───────────────────────────────────────────────────┘
 */
export function newKubernetesSource(place: KubernetesPlace, deps: SourceDeps): MembershipSource {
  const api = new KubernetesApi(place, deps.clock);
  return new RetryingSource((found, signal) => new KubernetesLook(api, place, deps, found).run(signal), deps);
}

class KubernetesLook {
  private readonly slices = new Map<string, EndpointSlice>();
  /** Version of the last event seen. */
  private version = '';

  constructor(
    private readonly api: KubernetesApi,
    private readonly place: KubernetesPlace,
    private readonly deps: SourceDeps,
    private readonly found: MembershipListener,
  ) {}

  async run(signal: AbortSignal): Promise<number> {
    const { clock, random } = this.deps;
    const { resourceVersion, items } = await this.api.list(signal);
    this.version = resourceVersion;
    for (const slice of items) this.slices.set(slice.metadata.name, slice);
    this.report();
    for (;;) {
      const begun = clock.now();
      const wasGood = () => clock.now() - begun >= GOOD_WATCH_MS;
      try {
        await this.follow(signal);
      } catch (error) {
        if (!isGone(error) && (signal.aborted || !wasGood())) throw error;
        return random() * MAX_PAUSE_MS;
      }
      if (!wasGood()) return random() * MAX_PAUSE_MS;
    }
  }

  /** Follows one watch to its end. @throws if it did not end in order */
  private async follow(signal: AbortSignal): Promise<void> {
    const late = new AbortController();
    const timer = this.deps.clock.after(WATCH_S * 1000 + WATCH_GRACE_MS, () => {
      late.abort(new Error('the watch did not end in time'));
    });
    try {
      for await (const event of this.api.watch(this.version, WATCH_S, AbortSignal.any([signal, late.signal]))) {
        if (event.type === 'ERROR') throw new WatchError(event.object.code, event.object.message);
        this.take(event.type, event.object);
      }
    } finally {
      timer.cancel();
    }
  }

  private take(type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK', slice: EndpointSlice): void {
    this.version = slice.metadata.resourceVersion ?? this.version;
    if (type === 'BOOKMARK') return;
    if (type === 'DELETED') this.slices.delete(slice.metadata.name);
    else this.slices.set(slice.metadata.name, slice);
    this.report();
  }

  private report(): void {
    const { namespace, service, port } = this.place;
    try {
      // Every service with a selector has a slice, even without pods.
      if (this.slices.size === 0) throw new Error('no EndpointSlices found; does the service exist?');
      this.found.onMembers(addressesOf(this.slices.values(), port));
    } catch (error) {
      // The watch continues, and sees when this is corrected.
      this.found.onFailure(new Error(`service ${namespace}/${service}: ${(error as Error).message}`));
    }
  }
}

class WatchError extends Error {
  constructor(
    readonly code: number | undefined,
    message = 'no reason given',
  ) {
    super(`the watch failed: ${message}`);
  }
}

/** The requested version is older than the history of the server. */
function isGone(error: unknown): boolean {
  return (
    (error instanceof WatchError && error.code === GONE) || (error instanceof HttpFailure && error.status === GONE)
  );
}

interface SliceList {
  readonly resourceVersion: string;
  readonly items: readonly EndpointSlice[];
}

/** One line of a watch. */
type SliceEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: EndpointSlice }
  | { readonly type: 'ERROR'; readonly object: { readonly code?: number; readonly message?: string } };

const TIMEOUT_MS = 10_000;

/** The EndpointSlices of one service in the Kubernetes API. */
class KubernetesApi {
  constructor(
    private readonly place: KubernetesPlace,
    private readonly clock: Clock,
  ) {}

  async list(signal: AbortSignal): Promise<SliceList> {
    const answer = await requestJson(await this.request({}), this.limits(signal));
    const { metadata, items } = answer as { metadata?: { resourceVersion?: string }; items?: readonly EndpointSlice[] };
    if (metadata?.resourceVersion === undefined || !Array.isArray(items)) {
      throw new Error(`${this.place.api.server} is not the Kubernetes API`);
    }
    return { resourceVersion: metadata.resourceVersion, items };
  }

  /** Changes after a version, for up to this many seconds. */
  async *watch(resourceVersion: string, seconds: number, signal: AbortSignal): AsyncGenerator<SliceEvent, void> {
    const request = await this.request({
      watch: 'true',
      allowWatchBookmarks: 'true',
      resourceVersion,
      timeoutSeconds: String(seconds),
    });
    yield* streamJson(request, this.limits(signal)) as AsyncGenerator<SliceEvent, void>;
  }

  private async request(params: Readonly<Record<string, string>>): Promise<JsonRequest> {
    const { namespace, service, api } = this.place;
    const query = new URLSearchParams({ labelSelector: `kubernetes.io/service-name=${service}`, ...params });
    const token = api.tokenFile === undefined ? undefined : (await readSmallFile(api.tokenFile)).trim();
    return {
      method: 'GET',
      url: `${api.server}/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?${query}`,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      tls: api.tls,
    };
  }

  private limits(signal: AbortSignal) {
    return { clock: this.clock, timeoutMs: TIMEOUT_MS, signal };
  }
}

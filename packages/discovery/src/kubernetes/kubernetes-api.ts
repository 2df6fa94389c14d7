import { type Clock, readSmallFile } from '@fnfleet/core';
import { type JsonRequest, requestJson, streamJson } from '../http/json-http.js';
import type { EndpointSlice } from './endpoint-slice.js';
import type { KubernetesPlace } from './kubernetes-url.js';

export interface SliceList {
  readonly resourceVersion: string;
  readonly items: readonly EndpointSlice[];
}

/** One line of a watch. */
export type SliceEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'; readonly object: EndpointSlice }
  | { readonly type: 'ERROR'; readonly object: { readonly code?: number; readonly message?: string } };

const TIMEOUT_MS = 10_000;

/** The EndpointSlices of one service in the Kubernetes API. */
export class KubernetesApi {
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

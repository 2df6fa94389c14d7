import { joinAddress } from '../runner-address.js';

/** The fields of an EndpointSlice (discovery.k8s.io/v1) that are read. */
export interface EndpointSlice {
  readonly metadata: { readonly name: string; readonly resourceVersion?: string };
  readonly addressType?: 'IPv4' | 'IPv6' | 'FQDN';
  readonly ports?: readonly SlicePort[] | null;
  readonly endpoints?: readonly SliceEndpoint[] | null;
}

export interface SlicePort {
  readonly name?: string | null;
  readonly port?: number | null;
}

export interface SliceEndpoint {
  /** All of them reach the same endpoint; the first is used, as everywhere in Kubernetes. */
  readonly addresses: readonly string[];
  readonly conditions?: { readonly ready?: boolean | null; readonly terminating?: boolean | null };
  readonly targetRef?: { readonly uid?: string };
}

const FAMILIES = ['IPv4', 'IPv6', 'FQDN'];

/**
 * The ready endpoints of a service, each once and in a stable order, whatever slices they are in. An endpoint that is shutting
 * down is left out, even if the service publishes endpoints that are not ready.
 * @param wanted the port by name or number; undefined: the only one, or the one named grpc
 * @throws Error if it is unclear which port is meant
 */
export function addressesOf(slices: Iterable<EndpointSlice>, wanted: string | number | undefined): string[] {
  const addresses = new Map<string, string>();
  // A dual-stack pod is in slices of both families. It is one runner, and the first family wins.
  const rank = ({ addressType = 'IPv4' }: EndpointSlice) => FAMILIES.indexOf(addressType);
  for (const slice of [...slices].sort((a, b) => rank(a) - rank(b))) {
    const usable = (slice.endpoints ?? []).filter(isUsable);
    if (usable.length === 0) continue;
    const port = portOf(slice, wanted);
    for (const {
      addresses: [host],
      targetRef,
    } of usable) {
      if (host === undefined) continue;
      const identity = targetRef?.uid ?? host;
      if (!addresses.has(identity)) addresses.set(identity, joinAddress(host, port));
    }
  }
  return [...new Set(addresses.values())].sort();
}

/** A missing condition counts as true. */
function isUsable({ conditions }: SliceEndpoint): boolean {
  return conditions?.ready !== false && conditions?.terminating !== true;
}

function portOf(slice: EndpointSlice, wanted: string | number | undefined): number {
  const ports = slice.ports ?? [];
  // A service without ports says nothing about those of its pods.
  if (ports.length === 0 && typeof wanted === 'number') return wanted;
  const found = ports.find(({ name, port }) => {
    if (wanted === undefined) return ports.length === 1 || name === 'grpc';
    return typeof wanted === 'number' ? port === wanted : name === wanted;
  });
  if (found?.port) return found.port;
  const list = ports.map(({ name, port }) => (name ? `${name} (${port})` : port)).join(', ') || 'none';
  throw new Error(
    wanted === undefined
      ? `the service has several ports or none, and none is named grpc; ports: ${list}`
      : `the pods of the service have no port ${wanted}; ports: ${list}`,
  );
}

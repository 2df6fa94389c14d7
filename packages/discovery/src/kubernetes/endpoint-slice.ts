import { joinAddress } from '../runner-address.js';

/** What is read of an EndpointSlice (discovery.k8s.io/v1). */
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
  /** All of them reach the same; the first is used, as everywhere in Kubernetes. */
  readonly addresses: readonly string[];
  readonly conditions?: { readonly ready?: boolean | null; readonly terminating?: boolean | null };
  readonly targetRef?: { readonly uid?: string };
}

const FAMILIES = ['IPv4', 'IPv6', 'FQDN'];

/**
 * The endpoints of a service that take calls, once each and in an order of their own, whatever slices they are in. One
 * that is shutting down has left, also where a service publishes those that are not ready.
 * @param wanted the port by name or number; undefined: the only one, or the one with the name grpc
 * @throws Error when it is not clear which port is meant
 */
export function addressesOf(slices: Iterable<EndpointSlice>, wanted: string | number | undefined): string[] {
  const addresses = new Map<string, string>();
  // A pod with addresses of both families is in slices of both. It is one runner, and the first family wins.
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

/** A condition that is not given is to be taken for a good one. */
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
      ? `the service has several ports or none, and none has the name grpc; ports: ${list}`
      : `the service has no port ${wanted} of its pods; ports: ${list}`,
  );
}

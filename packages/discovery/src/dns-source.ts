import { promises as dns, type SrvRecord } from 'node:dns';
import type { MembershipSource, SourceDeps } from './membership.js';
import { RetryingSource } from './retry-loop.js';
import { joinAddress } from './runner-address.js';

export interface DnsQuestion {
  /** Fully qualified; search domains are not applied. */
  readonly name: string;
  /** A and AAAA records have no port; SRV records do. */
  readonly port: number | undefined;
  /** `address:port` of the DNS server; default: the servers of the machine. */
  readonly server: string | undefined;
  /** Timeout of the first of two attempts, milliseconds; the second waits longer. Default 1500. */
  readonly timeoutMs?: number;
}

/**
 * Bounds for the polling interval: a TTL of 0 must not cause constant queries, and changes must not take an hour to be seen.
 * Docker's DNS gives ten minutes for records that change whenever a task starts or ends.
 */
const MIN_TTL_MS = 1000;
const MAX_TTL_MS = 5_000;
const DEFAULT_TIMEOUT_MS = 1500;

interface Answer {
  readonly addresses: readonly string[];
  readonly ttlMs: number;
}

/**
 * Queries DNS whenever an answer has expired. Every address of a name is one runner.
 *
 * A name that does not exist or has no records is a failure, not an empty fleet. Servers answer like this after a start, when
 * they have lost their zone, or when their orchestrator is in trouble. If it is true, nothing is lost: runners that are gone
 * refuse connections.
 */
export function newDnsSource(question: DnsQuestion, deps: SourceDeps): MembershipSource {
  return new RetryingSource(async (found, signal) => {
    // A new one each time, because it reads the servers of the machine when it is created.
    const resolver = new dns.Resolver({ timeout: question.timeoutMs ?? DEFAULT_TIMEOUT_MS, tries: 2 });
    if (question.server !== undefined) resolver.setServers([question.server]);
    const cancel = () => resolver.cancel();
    signal.addEventListener('abort', cancel);
    try {
      const { name, port } = question;
      const answer = port === undefined ? addressesOfServices(resolver, name) : addressesOf(resolver, name, port);
      const { addresses, ttlMs } = await answer;
      if (addresses.length === 0) throw new Error(`DNS has no address for ${name}`);
      // Servers shuffle their answers, but all balancers need the same order.
      found.onMembers([...new Set(addresses)].sort());
      return Math.min(Math.max(ttlMs, MIN_TTL_MS), MAX_TTL_MS);
    } finally {
      signal.removeEventListener('abort', cancel);
    }
  }, deps);
}

async function addressesOf(resolver: dns.Resolver, name: string, port: number): Promise<Answer> {
  const records = await Promise.all([
    absentIsEmpty(resolver.resolve4(name, { ttl: true })),
    absentIsEmpty(resolver.resolve6(name, { ttl: true })),
  ]);
  return {
    addresses: records.flat().map(({ address }) => joinAddress(address, port)),
    ttlMs: Math.min(...records.flat().map(({ ttl }) => ttl * 1000)),
  };
}

async function addressesOfServices(resolver: dns.Resolver, name: string): Promise<Answer> {
  const services = preferred(await absentIsEmpty(resolver.resolveSrv(name)));
  // A target without an address is a runner that is leaving or arriving; the others need not wait for it.
  const answers = await Promise.all(services.map((service) => addressesOf(resolver, service.name, service.port)));
  return {
    addresses: answers.flatMap(({ addresses }) => addresses),
    // Node does not report the TTL of SRV records. In a fleet it is as short as that of the addresses.
    ttlMs: Math.min(...answers.map(({ ttlMs }) => ttlMs)),
  };
}

/** The targets with the best priority. Others are used only when these are gone, and are then the only ones listed. */
function preferred(records: readonly SrvRecord[]): readonly SrvRecord[] {
  const best = Math.min(...records.map(({ priority }) => priority));
  return records.filter(({ priority }) => priority === best);
}

/** The name or its records of this type do not exist. Any other failure says nothing about them. */
async function absentIsEmpty<T>(records: Promise<T[]>): Promise<T[]> {
  try {
    return await records;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === dns.NODATA || code === dns.NOTFOUND) return [];
    throw error;
  }
}

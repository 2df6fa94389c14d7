import { promises as dns, type SrvRecord } from 'node:dns';
import type { MembershipSource, SourceDeps } from './membership.js';
import { RetryingSource } from './retrying-source.js';
import { joinAddress } from './runner-address.js';

export interface DnsQuestion {
  /** Fully qualified; search domains are not applied. */
  readonly name: string;
  /** A and AAAA records have no port; SRV records do. */
  readonly port: number | undefined;
  /** `address:port` of the server to ask; those of the machine unless given. */
  readonly server: string | undefined;
  /** For the first of two tries; the second waits longer. Default 1500. */
  readonly timeoutMs?: number;
}

/**
 * However a record is set up: a server that says 0 must not be asked without pause, nor a change be seen after an hour.
 * Docker's says ten minutes for what changes whenever a task begins or ends.
 */
const MIN_TTL_MS = 1000;
const MAX_TTL_MS = 5_000;
const DEFAULT_TIMEOUT_MS = 1500;

interface Answer {
  readonly addresses: readonly string[];
  readonly ttlMs: number;
}

/**
 * Asks DNS whenever an answer has expired. Every address of a name is one runner.
 *
 * A name that does not exist or has no records is a failure, not an empty fleet. It is what a server says that has just
 * started, has lost its zone or belongs to an orchestrator in trouble; and if it is true, nothing is lost: runners that
 * are gone refuse connections.
 */
export function newDnsSource(question: DnsQuestion, deps: SourceDeps): MembershipSource {
  return new RetryingSource(async (found, signal) => {
    // A new one each time: it reads where the machine's servers are when it is made.
    const resolver = new dns.Resolver({ timeout: question.timeoutMs ?? DEFAULT_TIMEOUT_MS, tries: 2 });
    if (question.server !== undefined) resolver.setServers([question.server]);
    const cancel = () => resolver.cancel();
    signal.addEventListener('abort', cancel);
    try {
      const { name, port } = question;
      const answer = port === undefined ? addressesOfServices(resolver, name) : addressesOf(resolver, name, port);
      const { addresses, ttlMs } = await answer;
      if (addresses.length === 0) throw new Error(`DNS knows no address of ${name}`);
      // Servers shuffle their answers; balancers have to agree on an order.
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
  // A target without an address is a runner that is just leaving or coming; the others need not wait for it.
  const answers = await Promise.all(services.map((service) => addressesOf(resolver, service.name, service.port)));
  return {
    addresses: answers.flatMap(({ addresses }) => addresses),
    // Node does not tell the TTL of the SRV records. In a fleet it is as short as that of the addresses.
    ttlMs: Math.min(...answers.map(({ ttlMs }) => ttlMs)),
  };
}

/** Those of the best priority; the others are for when none of these is there, and then they are listed alone. */
function preferred(records: readonly SrvRecord[]): readonly SrvRecord[] {
  const best = Math.min(...records.map(({ priority }) => priority));
  return records.filter(({ priority }) => priority === best);
}

/** The name, or its records of this type, do not exist. Any other failure says nothing about them. */
async function absentIsEmpty<T>(records: Promise<T[]>): Promise<T[]> {
  try {
    return await records;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === dns.NODATA || code === dns.NOTFOUND) return [];
    throw error;
  }
}

import { lookup, Resolver } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

/** An address to connect to. */
export interface HostAddress {
  readonly address: string;
  readonly family: 4 | 6;
}

/** Where the delivery of a callback is refused, whatever its receiver would answer. */
export class ForbiddenHost extends Error {
  override readonly name = 'ForbiddenHost';
}

/** The name of a receiver has no address now. */
export class UnknownHost extends Error {
  override readonly name = 'UnknownHost';
}

/** Looks a name up. */
export type Resolve = (host: string, signal: AbortSignal) => Promise<readonly HostAddress[]>;

/**
 * Blocks for special purposes of the registries of IANA, multicast and class E, and the address under which machines in Azure
 * reach their host. Nothing else is in them that a callback could be for.
 */
const SPECIAL_IPV4 = blocks(
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.31.196.0/24', '192.52.193.0/24', '192.88.99.0/24', '192.168.0.0/16', '192.175.48.0/24'],
  ...['198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24', '224.0.0.0/4', '240.0.0.0/4', '168.63.129.16/32'],
);
/** All else is local, reserved, or contains an IPv4 address (mapped, NAT64). */
const GLOBAL_IPV6 = blocks('2000::/3');
/** Protocol assignments with Teredo, documentation, and 6to4, which contains an IPv4 address. */
const SPECIAL_IPV6 = blocks('2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20', '2620:4f:8000::/48');

/** Of each family: a receiver with more has enough with these. */
const MAX_ADDRESSES = 4;
const DNS_TIMEOUT_MS = 2_000;
const DNS_TRIES = 2;

/**
 * Decides to which hosts callbacks may be delivered, and looks their addresses up.
 *
 * H1  An address is used only after it was checked, and the connection goes to that address: the name is not looked up again.
 * H2  A host that is not public is reached only if FN_CALLBACK_ALLOW has its name, or the address. So is one without TLS.
 * H3  Names that others choose are asked of the DNS servers directly. The resolver of the system would hold one of the few threads
 *     of the process for as long as their servers do not answer. It looks up only the names of FN_CALLBACK_ALLOW, which may be in
 *     the hosts file.
 */
export class CallbackHosts {
  private readonly names: ReadonlySet<string>;
  private readonly suffixes: readonly string[];
  private readonly nets: BlockList;

  /**
   * @param allow what `parseAllowedHosts` accepts
   * @param resolve replaces the DNS
   */
  constructor(
    allow: readonly string[],
    private readonly resolve: { readonly listed: Resolve; readonly other: Resolve } = {
      listed: bySystem,
      other: byDns,
    },
  ) {
    const hosts = allow.filter((entry) => !isNet(entry)).map((entry) => entry.toLowerCase());
    this.names = new Set(hosts.filter((host) => !host.startsWith('*.')));
    this.suffixes = hosts.filter((host) => host.startsWith('*.')).map((host) => host.slice(1));
    this.nets = blocks(...allow.filter(isNet));
  }

  /**
   * Finds the addresses of a receiver that may be used.
   * @throws ForbiddenHost if there is none, UnknownHost if the name has no address
   */
  async addresses(url: URL, signal: AbortSignal): Promise<readonly HostAddress[]> {
    const host = hostOf(url);
    const isListed = this.isListed(host);
    // DNS servers do not know it, and a wait for them would not change that.
    if (!isListed && /(^|\.)localhost$/.test(host)) {
      throw new ForbiddenHost(`${host} is not a public host, and FN_CALLBACK_ALLOW does not allow it`);
    }
    const literal = isIP(host);
    const found =
      literal === 0
        ? await (isListed ? this.resolve.listed : this.resolve.other)(host, signal)
        : [{ address: host, family: literal as 4 | 6 }];
    if (found.length === 0) throw new UnknownHost(`${host} has no address`);
    const usable = found.filter(
      (address) => isListed || this.isAllowed(address) || (url.protocol === 'https:' && isPublic(address)),
    );
    if (usable.length > 0) return usable;
    const isPlain = url.protocol === 'http:' && found.every(isPublic);
    throw new ForbiddenHost(
      isPlain
        ? `${host} would be reached without TLS, which FN_CALLBACK_ALLOW does not allow`
        : `${host} is not a public host (${found[0]?.address}), and FN_CALLBACK_ALLOW does not allow it`,
    );
  }

  private isListed(host: string): boolean {
    return this.names.has(host) || this.suffixes.some((suffix) => host.endsWith(suffix));
  }

  private isAllowed({ address, family }: HostAddress): boolean {
    return this.nets.check(address, family === 4 ? 'ipv4' : 'ipv6');
  }
}

/** The host of a URL as it is compared: URLs have the other spellings of an IPv4 address and of names in one form already. */
export function hostOf(url: URL): string {
  return url.hostname
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
    .toLowerCase();
}

/** Whether an address is one of the public internet. What cannot be read as an address is not. */
export function isPublic({ address, family }: HostAddress): boolean {
  if (isIP(address) !== family || address.includes('%')) return false;
  if (family === 4) return !SPECIAL_IPV4.check(address, 'ipv4');
  return GLOBAL_IPV6.check(address, 'ipv6') && !SPECIAL_IPV6.check(address, 'ipv6');
}

/** Reads FN_CALLBACK_ALLOW. @throws Error that says what is wrong with an entry */
export function parseAllowedHosts(text: string): readonly string[] {
  const entries = text
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '');
  for (const entry of entries) {
    if (!isNet(entry) && !isName(entry))
      throw new Error(`${JSON.stringify(entry)} is neither a name, *.name, address nor network`);
  }
  return entries;
}

/** A URL whose host ends in a number has an address, so such a name would never match. */
function isName(entry: string): boolean {
  return /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(entry) && !/(^|\.)\d+$/.test(entry);
}

function isNet(entry: string): boolean {
  const [address = '', bits, ...more] = entry.split('/');
  const family = isIP(address);
  if (family === 0 || address.includes('%') || more.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

/** @param nets addresses and networks */
function blocks(...nets: readonly string[]): BlockList {
  const list = new BlockList();
  for (const net of nets) {
    const [address = '', bits] = net.split('/');
    const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
    list.addSubnet(address, Number(bits ?? (family === 'ipv4' ? 32 : 128)), family);
  }
  return list;
}

async function bySystem(host: string): Promise<readonly HostAddress[]> {
  try {
    return firstOfEach((await lookup(host, { all: true })).map(({ address, family }) => entry(address, family)));
  } catch (error) {
    throw new UnknownHost(`${host} cannot be looked up: ${codeOf(error)}`);
  }
}

async function byDns(host: string, signal: AbortSignal): Promise<readonly HostAddress[]> {
  const resolver = new Resolver({ timeout: DNS_TIMEOUT_MS, tries: DNS_TRIES });
  const cancel = () => resolver.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    const [four, six] = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    if (four.status === 'rejected' && six.status === 'rejected')
      throw new UnknownHost(`${host} cannot be looked up: ${codeOf(four.reason)}`);
    const of = (answer: typeof four, family: number) =>
      answer.status === 'fulfilled' ? answer.value.map((address) => entry(address, family)) : [];
    return firstOfEach([...of(four, 4), ...of(six, 6)]);
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

function entry(address: string, family: number): HostAddress {
  return { address, family: family === 4 ? 4 : 6 };
}

function firstOfEach(found: readonly HostAddress[]): readonly HostAddress[] {
  return [4, 6].flatMap((family) => found.filter((each) => each.family === family).slice(0, MAX_ADDRESSES));
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code ?? 'unknown error');
}

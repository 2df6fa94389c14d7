import { isIP, isIPv6 } from 'node:net';

/**
 * What makes a text an address that a runner can be dialled at: `host:port`, where the host is a name, an IPv4 address
 * or an IPv6 address in brackets.
 * @returns why it is none, in words; undefined when it is one
 */
export function problemOfAddress(address: string): string | undefined {
  if (address.includes('://')) return 'it is a URL; host:port is expected';
  const at = address.lastIndexOf(':');
  if (at < 0) return 'the port is missing; host:port is expected';
  const host = address.slice(0, at);
  if (host.includes(':') && !host.startsWith('[')) {
    return `an IPv6 address is put in brackets before the port, as in [${isIPv6(address) ? address : host}]:9190`;
  }
  if (!isPort(address.slice(at + 1))) return 'the port is not a number from 1 to 65535';
  if (host.startsWith('[')) return isBracketedIpv6(host) ? undefined : `${host} is not an IPv6 address`;
  return isHost(host) ? undefined : `${JSON.stringify(host)} is not a host`;
}

/** Two spellings of one runner give the same key. */
export function addressKey(address: string): string {
  const at = address.lastIndexOf(':');
  if (at < 0) return address.toLowerCase();
  const host = address.slice(0, at);
  // The URL parser knows the one way to write an IPv6 address.
  return `${host.startsWith('[') ? new URL(`http://${host}`).hostname : host.toLowerCase()}${address.slice(at)}`;
}

/** @param host a name or a bare IP address of either family */
export function joinAddress(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** @throws Error that names what is no address, and why; also when one is given twice, which would double its share */
export function checkAddresses(addresses: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  for (const address of addresses) {
    const problem = problemOfAddress(address);
    if (problem !== undefined) throw new Error(`runner ${JSON.stringify(address)}: ${problem}`);
    const key = addressKey(address);
    if (seen.has(key)) throw new Error(`runner ${address} is listed twice`);
    seen.add(key);
  }
  return addresses;
}

export function isPort(text: string): boolean {
  return /^[1-9]\d{0,4}$/.test(text) && Number(text) <= 65_535;
}

function isBracketedIpv6(host: string): boolean {
  // A zone (fe80::1%eth0) means something on one machine only, and has no place in the authority of a request.
  return host.endsWith(']') && isIPv6(host.slice(1, -1)) && !host.includes('%');
}

function isHost(host: string): boolean {
  if (isIP(host) === 4) return true;
  // Underscores are not for hosts, but Docker and Compose make names with them.
  const name = /^[\w-]{1,63}(\.[\w-]{1,63})*\.?$/;
  return host.length <= 253 && name.test(host) && !/^[\d.]+$/.test(host);
}

import { isIP, isIPv6 } from 'node:net';
import { problemOfUnixAddress, unixPathOf } from '@fnfleet/core';

/**
 * Checks an address of a runner from anywhere: `host:port`, where the host is a name, an IPv4 address or an IPv6 address in brackets.
 * Others must not choose which unix sockets of this machine a balancer connects to.
 * @returns what is wrong, in words; undefined if it is valid
 */
export function problemOfAddress(address: string): string | undefined {
  if (isUnix(address)) return 'expected host:port; only FN_RUNNER_ADDRESSES may list unix sockets';
  if (address.includes('://')) return 'expected host:port, got a URL';
  const at = address.lastIndexOf(':');
  if (at < 0) return 'the port is missing: expected host:port';
  const host = address.slice(0, at);
  if (host.includes(':') && !host.startsWith('[')) {
    return `an IPv6 address needs brackets: [${isIPv6(address) ? address : host}]:9190`;
  }
  if (!isPort(address.slice(at + 1))) return 'the port is not a number from 1 to 65535';
  if (host.startsWith('[')) return isBracketedIpv6(host) ? undefined : `${host} is not an IPv6 address`;
  return isHost(host) ? undefined : `${JSON.stringify(host)} is not a host`;
}

/** Checks an address that the operator of this machine has written: also allows `unix:/path`. Otherwise like `problemOfAddress`. */
export function problemOfOwnAddress(address: string): string | undefined {
  return isUnix(address) ? problemOfUnixAddress(address) : problemOfAddress(address);
}

function isUnix(address: string): boolean {
  return address.startsWith('unix:');
}

/** Two spellings of one address have the same key. */
export function addressKey(address: string): string {
  const path = unixPathOf(address);
  if (path !== undefined) return `unix:${path}`;
  const at = address.lastIndexOf(':');
  if (at < 0) return address.toLowerCase();
  const host = address.slice(0, at);
  // The URL parser normalizes IPv6 addresses.
  return `${host.startsWith('[') ? new URL(`http://${host}`).hostname : host.toLowerCase()}${address.slice(at)}`;
}

/** @param host a name or a bare IP address of either family */
export function joinAddress(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/**
 * Checks a list that the operator of this machine has written.
 * @throws Error that names an invalid address, or one that is listed twice and would get two shares
 */
export function checkAddresses(addresses: readonly string[]): readonly string[] {
  const seen = new Set<string>();
  for (const address of addresses) {
    const problem = problemOfOwnAddress(address);
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
  // A zone (fe80::1%eth0) has a meaning on one machine only, and is not allowed in the authority of a request.
  return host.endsWith(']') && isIPv6(host.slice(1, -1)) && !host.includes('%');
}

function isHost(host: string): boolean {
  if (isIP(host) === 4) return true;
  if (host.length > 253 || /^[\d.]+$/.test(host)) return false;
  const labels = host.replace(/\.$/, '').split('.');
  // Host names have no underscores, but Docker and Compose use them.
  return labels.every((label) => /^[\w-]{1,63}$/.test(label));
}

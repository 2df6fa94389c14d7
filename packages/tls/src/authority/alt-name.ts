import { isIPv4, isIPv6 } from 'node:net';
import { implicit } from './der.js';

/** A subject alternative name: a host name, an IP address or a URI. */
export type AltName = { readonly kind: 'dns' | 'ip' | 'uri'; readonly value: string };

/** Host names must not contain underscores, but Docker and Compose create such names. The first label may be `*`. */
const HOST = /^(\*\.)?[\w-]{1,63}(\.[\w-]{1,63})*$/;
const URI = /^(urn:|[a-z][a-z\d+.-]*:\/\/)[\x21-\x7e]+$/i;
const MAX_HOST = 253;

/** @throws Error that says what a valid name is */
export function parseAltName(text: string): AltName {
  if (isIPv4(text) || (isIPv6(text) && !text.includes('%'))) return { kind: 'ip', value: text };
  if (HOST.test(text) && text.length <= MAX_HOST && !/^[\d.]+$/.test(text)) return { kind: 'dns', value: text };
  if (URI.test(text)) return { kind: 'uri', value: text };
  throw new Error(`${JSON.stringify(text)} is neither a host name, nor an IP address, nor a URI`);
}

/** Encodes a GeneralName (RFC 5280). */
export function encodeAltName({ kind, value }: AltName): Buffer {
  switch (kind) {
    case 'dns':
      return implicit(2, Buffer.from(value));
    case 'uri':
      return implicit(6, Buffer.from(value));
    case 'ip':
      return implicit(7, ipBytes(value));
  }
}

function ipBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number));
  // The URL parser normalizes an IPv6 address, without dots.
  const plain = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = '', tail] = plain.split('::');
  const groups = (part: string) => (part === '' ? [] : part.split(':'));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const zeros = tail === undefined ? [] : Array<string>(8 - before.length - after.length).fill('0');
  return Buffer.concat([...before, ...zeros, ...after].map((group) => Buffer.from(group.padStart(4, '0'), 'hex')));
}

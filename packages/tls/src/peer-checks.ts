import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { type ConnectionOptions, checkServerIdentity, type TLSSocket } from 'node:tls';
import { clientContext, type TlsIdentity } from './tls-identity.js';

/** One entry of a subject alternative name. Node quotes names that would be ambiguous. */
const ALTERNATIVE = /([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy;
const KINDS: ReadonlySet<string> = new Set(['DNS', 'URI', 'IP Address']);

/** Prefix of the role name in the certificate of a fleet member. */
const ROLE = 'urn:fnfleet:role:';

/** The names in a certificate: DNS names, URIs and IP addresses, then the common name. Without duplicates. */
export function namesOf(certificate: X509Certificate): readonly string[] {
  const names = alternativesOf(certificate.subjectAltName);
  const commonName = certificate.toLegacyObject().subject?.CN;
  return [...new Set([...names, ...[commonName ?? []].flat()])];
}

/**
 * Whether the owner of a certificate may connect.
 * @param allowed names, compared as a whole and case-insensitively; undefined: any certificate signed by the CA
 */
export function isAllowed(names: readonly string[], allowed: readonly string[] | undefined): boolean {
  if (allowed === undefined) return true;
  const wanted = new Set(allowed.map((name) => name.toLowerCase()));
  return names.some((name) => wanted.has(name.toLowerCase()));
}

/** The roles in a certificate; empty if it names none. */
function rolesIn(subjectAltName: string | undefined): readonly string[] {
  const names = alternativesOf(subjectAltName).filter((name) => name.toLowerCase().startsWith(ROLE));
  return names.map((name) => name.slice(ROLE.length).toLowerCase());
}

function alternativesOf(subjectAltName = ''): string[] {
  const found = [...subjectAltName.matchAll(ALTERNATIVE)].filter(([, kind = '']) => KINDS.has(kind));
  return found.map(([, , name = '']) => unquoted(name));
}

function unquoted(name: string): string {
  return name.startsWith('"') ? (JSON.parse(name) as string) : name;
}

/** Verdict on the certificate of a connection: a member of the fleet, none at all, or refused. */
export type PeerVerdict =
  | { readonly kind: 'member' | 'anonymous' }
  | { readonly kind: 'refused'; readonly reason: string };

/** Maximum characters of names in a message, because the peer chose them. */
const MAX_SHOWN = 200;

const REASONS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet; are the clocks correct?',
  INVALID_PURPOSE: 'it is not valid for clients',
};

/**
 * Verifies the client of a server that requests certificates but does not reject connections itself
 * (`rejectUnauthorized: false`), so that a refused client receives the reason.
 */
export function judgePeer(socket: TLSSocket, allowedNames: readonly string[] | undefined): PeerVerdict {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { kind: 'anonymous' };
  if (!socket.authorized) {
    // Node stores the OpenSSL code here.
    const code = String(socket.authorizationError);
    return { kind: 'refused', reason: REASONS[code] ?? `the CA of this fleet has not signed it (${code})` };
  }
  const names = namesOf(certificate);
  if (isAllowed(names, allowedNames)) return { kind: 'member' };
  const shown = names.join(', ').slice(0, MAX_SHOWN);
  return { kind: 'refused', reason: `its names (${shown}) are not among those allowed here` };
}

export interface ExpectedPeer {
  /** Name that its certificate must have instead of the host. */
  readonly name?: string | undefined;
  /**
   * Roles, one of which its certificate must have if it has any, so that the key of a runner cannot impersonate a
   * balancer.
   */
  readonly roles?: readonly string[];
}

/**
 * TLS options of a client for a connection to a fleet member: it presents its certificate, and accepts only one that
 * the CA signed for the right name and role.
 * @param host a host name or an IP address
 */
export function clientTlsOptions(
  identity: TlsIdentity,
  host: string,
  { name: expectedName = host, roles: expectedRoles }: ExpectedPeer = {},
): ConnectionOptions {
  return {
    secureContext: clientContext(identity),
    servername: isIP(expectedName) === 0 ? expectedName : '',
    rejectUnauthorized: true,
    checkServerIdentity(_host, certificate) {
      const error = checkServerIdentity(expectedName, certificate);
      if (error === undefined) return wrongRole(host, rolesIn(certificate.subjectaltname), expectedRoles);
      const names = certificate.subjectaltname ?? 'none';
      return new Error(`the certificate of ${host} is not for ${expectedName}; its names: ${names}`, { cause: error });
    },
  };
}

function wrongRole(host: string, roles: readonly string[], expected: readonly string[] | undefined): Error | undefined {
  if (expected === undefined || roles.length === 0 || roles.some((role) => expected.includes(role))) return undefined;
  return new Error(`the certificate of ${host} is one of role ${roles.join(', ')}, not ${expected.join(' or ')}`);
}

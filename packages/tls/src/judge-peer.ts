import type { TLSSocket } from 'node:tls';
import { isAllowed, namesOf } from './peer-names.js';

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

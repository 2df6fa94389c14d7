import type { TLSSocket } from 'node:tls';
import { isAllowed, namesOf } from './peer-names.js';

/** What the certificate of a connection is worth: that of a member of the fleet, none at all, or one to refuse. */
export type PeerVerdict =
  | { readonly kind: 'member' | 'anonymous' }
  | { readonly kind: 'refused'; readonly reason: string };

/** Longest list of names that is repeated, characters: whoever made the certificate chose them. */
const MAX_SHOWN = 200;

const REASONS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet; are the clocks right?',
  INVALID_PURPOSE: 'it was not made for clients',
};

/**
 * Judges who has connected to a server that asks for certificates but refuses none by itself (`rejectUnauthorized: false`),
 * so that they can be told why.
 */
export function judgePeer(socket: TLSSocket, allowedNames: readonly string[] | undefined): PeerVerdict {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { kind: 'anonymous' };
  if (!socket.authorized) {
    // Node puts the code of OpenSSL there.
    const code = String(socket.authorizationError);
    return { kind: 'refused', reason: REASONS[code] ?? `the CA of this fleet has not signed it (${code})` };
  }
  const names = namesOf(certificate);
  if (isAllowed(names, allowedNames)) return { kind: 'member' };
  const shown = names.join(', ').slice(0, MAX_SHOWN);
  return { kind: 'refused', reason: `its names (${shown}) are not among those allowed here` };
}

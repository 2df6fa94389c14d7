import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { FnError, isAllowed, namesOf } from '@fnfleet/core';

/** What a connection's certificate is worth: that of a fleet member, none, or one that is refused, and with what. */
export type PeerVerdict = 'member' | 'anonymous' | FnError;

const VERDICT = Symbol('peer verdict');
type JudgedSocket = Socket & { [VERDICT]?: PeerVerdict };

/** Longest list of names that is told back to whoever shows a certificate, characters. */
const MAX_SHOWN = 200;

const REASONS: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet; are the clocks right?',
  CERT_REVOKED: 'it has been revoked',
  INVALID_PURPOSE: 'it was not made for clients',
};

/** Judges a connection once; from then on it is one property of its socket. */
export function verdictOf(socket: Socket, allowedNames: readonly string[] | undefined): PeerVerdict {
  const judged: JudgedSocket = socket;
  judged[VERDICT] ??= judge(socket as TLSSocket, allowedNames);
  return judged[VERDICT];
}

function judge(socket: TLSSocket, allowedNames: readonly string[] | undefined): PeerVerdict {
  if (!socket.encrypted) return 'anonymous';
  const certificate = socket.getPeerX509Certificate?.();
  if (certificate === undefined) return 'anonymous';
  if (!socket.authorized) {
    // Node puts the code of OpenSSL there.
    const code = String(socket.authorizationError);
    return refused(REASONS[code] ?? `the CA of this fleet has not signed it (${code})`);
  }
  const names = namesOf(certificate);
  if (isAllowed(names, allowedNames)) return 'member';
  return refused(`its names (${names.join(', ').slice(0, MAX_SHOWN)}) are not among those allowed here`);
}

function refused(reason: string): FnError {
  return new FnError('clientCertRefused', { params: { reason } });
}

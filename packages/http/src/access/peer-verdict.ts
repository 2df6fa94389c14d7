import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { FnError } from '@fnfleet/core';
import { judgePeer } from '@fnfleet/tls';

/** The peer is a member of the fleet, has no certificate, or is refused with this error. */
export type SocketVerdict = 'member' | 'anonymous' | FnError;

const VERDICT = Symbol('peer verdict');
type JudgedSocket = Socket & { [VERDICT]?: SocketVerdict };

/** Checks the certificate of a TLS connection once, and stores the verdict in a property of its socket. */
export function verdictOf(socket: Socket, allowedNames: readonly string[] | undefined): SocketVerdict {
  const judged: JudgedSocket = socket;
  judged[VERDICT] ??= judge(socket as TLSSocket, allowedNames);
  return judged[VERDICT];
}

function judge(socket: TLSSocket, allowedNames: readonly string[] | undefined): SocketVerdict {
  const verdict = judgePeer(socket, allowedNames);
  if (verdict.kind !== 'refused') return verdict.kind;
  return new FnError('clientCertRefused', { params: { reason: verdict.reason } });
}

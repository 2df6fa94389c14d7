import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { FnError } from '@fnfleet/core';
import { judgePeer } from '@fnfleet/tls';

/** A member of the fleet, somebody without a certificate, or the answer to one that is refused. */
export type SocketVerdict = 'member' | 'anonymous' | FnError;

const VERDICT = Symbol('peer verdict');
type JudgedSocket = Socket & { [VERDICT]?: SocketVerdict };

/** Judges the connection of a TLS port once; from then on it is one property of its socket. */
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

import type { Socket } from 'node:net';
import tls from 'node:tls';
import type { Logger } from '@fnfleet/core';
import { judgePeer, keepCurrent, serverTlsOptions, type TlsIdentity } from '@fnfleet/tls';

/** The identity of a port, and who may connect to it. */
export interface MemberCheck {
  readonly identity: TlsIdentity;
  /** A certificate must have one of these names; undefined accepts any certificate of the CA. */
  readonly allowedNames?: readonly string[];
  readonly logger: Logger;
}

/** Refusals are frequent, so only the first one with each reason is logged at level warn. */
const MAX_REMEMBERED = 100;

/**
 * A TLS server that passes on the connections of members of the fleet, and closes all others before any data is exchanged. If
 * the identity has no CA, no certificates are requested and every client is a member.
 */
export function newMemberServer(check: MemberCheck, onMember: (socket: tls.TLSSocket) => void): tls.Server {
  const server = newServer(check, refusalLog(check.logger), onMember);
  keepCurrent(server, check.identity);
  return server;
}

/**
 * The same for connections that another server has accepted, if it must be known which of them a member came through. Over a unix
 * socket they have no addresses that would show it.
 */
export function memberGate(check: MemberCheck): (socket: Socket, onMember: (socket: tls.TLSSocket) => void) => void {
  const logRefusal = refusalLog(check.logger);
  // A server for each connection, which never listens. It has the identity of this moment.
  return (socket, onMember) => void newServer(check, logRefusal, onMember).emit('connection', socket);
}

type RefusalLog = (reason: string, address: string | undefined) => void;

function refusalLog(logger: Logger): RefusalLog {
  const seen = new Set<string>();
  return (reason, address) => {
    const first = !seen.has(reason) && seen.size < MAX_REMEMBERED;
    if (first) seen.add(reason);
    logger[first ? 'warn' : 'debug']('connection refused', { reason, address });
  };
}

function newServer(
  { identity, allowedNames }: MemberCheck,
  logRefusal: RefusalLog,
  onMember: (socket: tls.TLSSocket) => void,
): tls.Server {
  // Verified here, because Node would close the connection without reporting why.
  const options = { ...serverTlsOptions(identity), rejectUnauthorized: false, ALPNProtocols: ['h2'], noDelay: true };
  const server = tls.createServer(options, (socket) => {
    const verdict = judgePeer(socket, allowedNames);
    if (verdict.kind === 'member' || !options.requestCert) return onMember(socket);
    logRefusal(verdict.kind === 'refused' ? `certificate: ${verdict.reason}` : 'no certificate', socket.remoteAddress);
    socket.on('error', () => undefined);
    socket.destroy();
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
    logRefusal(error.code ?? error.message, socket.remoteAddress);
  });
  return server;
}

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
export function newMemberServer(
  { identity, allowedNames, logger }: MemberCheck,
  onMember: (socket: tls.TLSSocket) => void,
): tls.Server {
  const seen = new Set<string>();
  const logRefusal = (reason: string, address: string | undefined) => {
    const first = !seen.has(reason) && seen.size < MAX_REMEMBERED;
    if (first) seen.add(reason);
    logger[first ? 'warn' : 'debug']('connection refused', { reason, address });
  };
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
  keepCurrent(server, identity);
  return server;
}

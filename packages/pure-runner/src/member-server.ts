import tls from 'node:tls';
import type { Logger } from '@fnfleet/core';
import { judgePeer, keepCurrent, serverTlsOptions, type TlsIdentity } from '@fnfleet/tls';

/** Who a port is, and who may connect to it. */
export interface MemberCheck {
  readonly identity: TlsIdentity;
  /** Names of which a certificate must have one; undefined: any certificate that the CA signed will do. */
  readonly allowedNames?: readonly string[];
  readonly logger: Logger;
}

/** Strangers knock often; the log tells of the first with each reason. */
const MAX_REMEMBERED = 100;

/**
 * A TLS server that hands on the connections of members of the fleet, and closes all others before a word. If the identity
 * has no CA it asks for no certificates, and everybody is a member.
 */
export function newMemberServer(
  { identity, allowedNames, logger }: MemberCheck,
  onMember: (socket: tls.TLSSocket) => void,
): tls.Server {
  const seen = new Set<string>();
  const logRefusal = (reason: string, address: string | undefined) => {
    const first = !seen.has(reason) && seen.size < MAX_REMEMBERED;
    if (first) seen.add(reason);
    logger[first ? 'warn' : 'debug']('a connection is refused', { reason, address });
  };
  // Judged here: Node would close the connection without telling anybody why.
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

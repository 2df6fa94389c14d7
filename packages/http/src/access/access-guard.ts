import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { FnError } from '@fnfleet/core';
import { verdictOf } from './peer-verdict.js';

/**
 * Whom a route answers: `open` everybody (health checks), `caller` whoever may call functions, `operator` whoever runs
 * the fleet.
 */
export type Access = 'open' | 'caller' | 'operator';

export interface AccessOptions {
  /**
   * The port speaks TLS. `required`: callers show a certificate of the fleet. `optional`: they need none; a bad one is
   * refused all the same. Undefined: plain text, and whoever reaches the port may call.
   */
  readonly clientCerts?: 'required' | 'optional';
  /** Names of which a certificate must have one; undefined: any certificate that the CA signed will do. */
  readonly allowedNames?: readonly string[];
  /** What an operator without a certificate shows (`Authorization: Bearer …`). */
  readonly operatorToken?: string;
}

/**
 * Decides for each request of an HTTP port whether it may go on.
 *
 * A1  A certificate that is refused is refused for everything but `open` routes, also where none is needed.
 * A2  An operator shows a certificate or the token. Where neither is configured, whoever reaches the port is one.
 * A3  The token is for operators' routes only; it opens no calls.
 */
export class AccessGuard {
  private readonly tokenDigest: Buffer | undefined;

  constructor(private readonly options: AccessOptions) {
    this.tokenDigest = options.operatorToken === undefined ? undefined : digest(options.operatorToken);
  }

  /** @throws FnError `clientCertMissing`, `clientCertRefused`, `operatorOnly`, `operatorTokenWrong` */
  check(req: IncomingMessage, access: Access): void {
    if (access === 'open') return;
    const { clientCerts, allowedNames } = this.options;
    const verdict = clientCerts === undefined ? 'anonymous' : verdictOf(req.socket, allowedNames);
    if (verdict === 'member') return;
    if (verdict !== 'anonymous') throw verdict;
    if (access === 'operator') this.checkToken(req.headers.authorization);
    else if (clientCerts === 'required') throw new FnError('clientCertMissing');
  }

  private checkToken(authorization: string | undefined): void {
    if (this.tokenDigest === undefined && this.options.clientCerts === undefined) return;
    const [, shown] = /^Bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
    if (shown === undefined) throw new FnError('operatorOnly');
    // Digests have one length, so that the comparison tells nothing of the token's.
    if (this.tokenDigest === undefined || !timingSafeEqual(digest(shown), this.tokenDigest)) {
      throw new FnError('operatorTokenWrong');
    }
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

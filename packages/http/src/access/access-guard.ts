import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { FnError } from '@fnfleet/core';
import { verdictOf } from './peer-verdict.js';
import { WebPageGuard, type WebPageOptions } from './web-page-guard.js';

/**
 * Whom a route answers: `open` everybody (health checks), `caller` whoever may call functions, `operator` whoever runs
 * the fleet.
 */
export type Access = 'open' | 'caller' | 'operator';

export interface AccessOptions extends WebPageOptions {
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
 * A4  Whoever shows the token is no web page. All others are looked at by the WebPageGuard, members of the fleet included:
 *     a browser shows the certificate of its user to any page's requests.
 */
export class AccessGuard {
  private readonly tokenDigest: Buffer | undefined;
  private readonly pages: WebPageGuard;

  /** @throws SettingsError when a host or an origin is none */
  constructor(private readonly options: AccessOptions) {
    this.pages = new WebPageGuard(options);
    this.tokenDigest = options.operatorToken === undefined ? undefined : digest(options.operatorToken);
  }

  /** @throws FnError `clientCertMissing`, `clientCertRefused`, `operatorOnly`, `operatorTokenWrong`, `hostUnknown`, `foreignPage` */
  check(req: IncomingMessage, access: Access): void {
    if (access === 'open') return;
    const { clientCerts, allowedNames } = this.options;
    const verdict = clientCerts === undefined ? 'anonymous' : verdictOf(req.socket, allowedNames);
    if (verdict !== 'member' && verdict !== 'anonymous') throw verdict;
    if (access === 'caller') {
      if (verdict === 'anonymous' && clientCerts === 'required') throw new FnError('clientCertMissing');
      this.pages.checkCaller(req);
      return;
    }
    const tokenShown = verdict === 'anonymous' && this.checkToken(req.headers.authorization);
    if (!tokenShown) this.pages.checkOperator(req);
  }

  /** Whether whoever sends the request may know, and do, what operators may. */
  isOperator(req: IncomingMessage): boolean {
    try {
      this.check(req, 'operator');
      return true;
    } catch {
      return false;
    }
  }

  /** Whether there is the operator token in the request, which is nobody else's business. */
  showsToken({ headers: { authorization } }: IncomingMessage): boolean {
    if (this.tokenDigest === undefined || authorization === undefined) return false;
    const shown = tokenIn(authorization);
    return shown !== undefined && timingSafeEqual(digest(shown), this.tokenDigest);
  }

  /** False: none is needed. */
  private checkToken(authorization: string | undefined): boolean {
    if (this.tokenDigest === undefined && this.options.clientCerts === undefined) return false;
    const shown = tokenIn(authorization ?? '');
    if (shown === undefined) throw new FnError('operatorOnly');
    // Digests have one length, so that the comparison tells nothing of the token's.
    if (this.tokenDigest === undefined || !timingSafeEqual(digest(shown), this.tokenDigest)) {
      throw new FnError('operatorTokenWrong');
    }
    return true;
  }
}

/** For a port that answers everybody but web pages from elsewhere. @throws SettingsError when a host or an origin is none */
export function openGuard({ allowedHosts, corsOrigins }: WebPageOptions): AccessGuard {
  return new AccessGuard({ allowedHosts, corsOrigins });
}

function tokenIn(authorization: string): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization)?.[1];
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

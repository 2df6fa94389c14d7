import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { FnError } from '@fnfleet/core';
import { judgePeer } from '@fnfleet/tls';
import { WebPageGuard, type WebPageOptions } from './web-page-guard.js';

/**
 * Who may use a route: `open` everybody (health checks), `caller` clients that may call functions, `operator` those who
 * run the fleet.
 */
export type Access = 'open' | 'caller' | 'operator';

export interface AccessOptions extends WebPageOptions {
  /**
   * For a port with TLS. `required`: callers need a certificate of the fleet. `optional`: they need none, but an
   * invalid one is refused. Undefined: plain text, and anyone who can reach the port may call.
   */
  readonly clientCerts?: 'required' | 'optional';
  /** Allowed names, of which a certificate needs one; undefined: any certificate signed by the CA is accepted. */
  readonly allowedNames?: readonly string[];
  /** Token of operators without a certificate (`Authorization: Bearer …`). */
  readonly operatorToken?: string;
}

/**
 * Authorizes each request of an HTTP port.
 *
 * A1  An invalid certificate is refused for all but `open` routes, even where none is required.
 * A2  An operator needs a certificate or the token. If neither is configured, anyone who can reach the port is an
 *     operator.
 * A3  The token is valid for operator routes only; it does not authorize calls.
 * A4  A request with the token does not come from a web page. The WebPageGuard checks all others, even those of members
 *     of the fleet: a browser presents the certificate of its user with the requests of any page.
 */
export class AccessGuard {
  private readonly tokenDigest: Buffer | undefined;
  private readonly pages: WebPageGuard;

  /** @throws SettingsError when a host or an origin is invalid */
  constructor(private readonly options: AccessOptions) {
    this.pages = new WebPageGuard(options);
    this.tokenDigest = options.operatorToken === undefined ? undefined : digest(options.operatorToken);
  }

  /**
   * @throws FnError `clientCertMissing`, `clientCertRefused`, `operatorOnly`, `operatorTokenWrong`, `hostUnknown`,
   *   `foreignPage`
   */
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

  /** Whether the sender of the request has operator rights. */
  isOperator(req: IncomingMessage): boolean {
    try {
      this.check(req, 'operator');
      return true;
    } catch {
      return false;
    }
  }

  /** Whether the request carries the operator token, which callers must not pass on. */
  showsToken({ headers: { authorization } }: IncomingMessage): boolean {
    if (this.tokenDigest === undefined || authorization === undefined) return false;
    const shown = tokenIn(authorization);
    return shown !== undefined && timingSafeEqual(digest(shown), this.tokenDigest);
  }

  /** False if no credentials are required. */
  private checkToken(authorization: string | undefined): boolean {
    if (this.tokenDigest === undefined && this.options.clientCerts === undefined) return false;
    const shown = tokenIn(authorization ?? '');
    if (shown === undefined) throw new FnError('operatorOnly');
    // Compare digests, which have equal lengths, so that timing does not reveal the length of the token.
    if (this.tokenDigest === undefined || !timingSafeEqual(digest(shown), this.tokenDigest)) {
      throw new FnError('operatorTokenWrong');
    }
    return true;
  }
}

/**
 * A guard for a port that accepts all requests but those of web pages from other origins.
 * @throws SettingsError when a host or an origin is invalid
 */
export function openGuard({ allowedHosts, corsOrigins }: WebPageOptions): AccessGuard {
  return new AccessGuard({ allowedHosts, corsOrigins });
}

function tokenIn(authorization: string): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization)?.[1];
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** The peer is a member of the fleet, has no certificate, or is refused with this error. */
export type SocketVerdict = 'member' | 'anonymous' | FnError;

const VERDICT = Symbol('peer verdict');
type JudgedSocket = Socket & { [VERDICT]?: SocketVerdict };

/** Checks the certificate of a TLS connection once, and stores the verdict in a property of its socket. */
function verdictOf(socket: Socket, allowedNames: readonly string[] | undefined): SocketVerdict {
  const judged: JudgedSocket = socket;
  judged[VERDICT] ??= judge(socket as TLSSocket, allowedNames);
  return judged[VERDICT];
}

function judge(socket: TLSSocket, allowedNames: readonly string[] | undefined): SocketVerdict {
  const verdict = judgePeer(socket, allowedNames);
  if (verdict.kind !== 'refused') return verdict.kind;
  return new FnError('clientCertRefused', { params: { reason: verdict.reason } });
}

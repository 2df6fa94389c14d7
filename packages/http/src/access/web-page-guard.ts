import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { TLSSocket } from 'node:tls';
import { FnError, isLoopback, SettingsError } from '@fnfleet/core';
import { isSameHost, newAllowedOrigins } from '../cors.js';

export interface WebPageOptions {
  /** Names beside its own that a node in plain text is called by: `fn.example`, `*.fn.example`, or `*` for any. */
  readonly allowedHosts?: readonly string[];
  /** Origins whose pages may do what a program may; a first item of `*` allows all. */
  readonly corsOrigins?: readonly string[];
}

/** Under these no stranger on the internet can have a name. */
const LOCAL_SUFFIXES = ['.localhost', '.local', '.internal', '.svc'];
const MAX_HOST_LENGTH = 255;
const MAX_REMEMBERED = 100;
const MAX_SHOWN = 100;

/**
 * Keeps pages from acting through the browser of somebody who can reach a port. A browser takes any page's requests to any
 * address; reading the answer is all that it keeps from them.
 *
 * P1  A page that had its own name lead to this node (DNS rebinding) is told by `Host`: an address or a local name cannot
 *     belong to it. Over TLS the certificate does the same.
 * P2  A page from elsewhere is told by `Sec-Fetch-Site`, or in older browsers by `Origin`.
 * P3  Functions may be meant for pages from anywhere. Calls are checked only over loopback: there nobody has published them.
 */
export class WebPageGuard {
  private readonly hosts: HostNames;
  private readonly mayAct: (origin: string) => boolean;

  /** @throws SettingsError when a host or an origin is none */
  constructor({ allowedHosts = [], corsOrigins = [] }: WebPageOptions) {
    this.hosts = new HostNames(allowedHosts);
    this.mayAct = newAllowedOrigins(corsOrigins).allows;
  }

  /** @throws FnError `hostUnknown`, `foreignPage` */
  checkOperator(req: IncomingMessage): void {
    if (!isEncrypted(req)) this.checkHost(req);
    if (this.isForeignPage(req)) throw foreignPage(req);
  }

  /** @throws FnError `hostUnknown`, `foreignPage` */
  checkCaller(req: IncomingMessage): void {
    if (isEncrypted(req) || !isLoopback(req.socket.localAddress ?? '')) return;
    this.checkHost(req);
    if (this.isForeignPage(req) && !isEmbedded(req)) throw foreignPage(req);
  }

  private checkHost({ headers: { host } }: IncomingMessage): void {
    // Without one it is HTTP/1.0, which no browser speaks.
    if (host === undefined || this.hosts.has(host)) return;
    throw new FnError('hostUnknown', { params: { host: host.slice(0, MAX_SHOWN) } });
  }

  private isForeignPage(req: IncomingMessage): boolean {
    const { origin, host = '', 'sec-fetch-site': site } = req.headers;
    if (origin !== undefined && this.mayAct(origin)) return false;
    if (site !== undefined) return site !== 'same-origin' && site !== 'none' && !isFollowedLink(req);
    return origin !== undefined && !isSameHost(origin, host);
  }
}

/** The names that a node knows to be its own. */
class HostNames {
  private readonly any: boolean;
  private readonly names: ReadonlySet<string>;
  private readonly suffixes: readonly string[];
  /** Clients of a node write its name in few ways. */
  private readonly known = new Map<string, boolean>();

  constructor(allowed: readonly string[]) {
    for (const entry of allowed) {
      if (entry === '*' || /^(\*\.)?[\w-]+(\.[\w-]+)*$/.test(entry)) continue;
      throw new SettingsError([
        `FN_ALLOWED_HOSTS: expected names without port such as fn.example or *.fn.example, got ${JSON.stringify(entry)}`,
      ]);
    }
    const names = allowed.map((entry) => entry.toLowerCase());
    this.any = names.includes('*');
    this.names = new Set([hostname().toLowerCase(), ...names]);
    this.suffixes = [...LOCAL_SUFFIXES, ...names.filter((name) => name.startsWith('*.')).map((name) => name.slice(1))];
  }

  /** @param host as in the header, with or without a port */
  has(host: string): boolean {
    if (this.any) return true;
    let known = this.known.get(host);
    if (known === undefined) {
      known = host.length <= MAX_HOST_LENGTH && this.isOwn(host);
      // Clients choose what they send; what is remembered must not grow with it.
      if (known && this.known.size < MAX_REMEMBERED) this.known.set(host, known);
    }
    return known;
  }

  private isOwn(host: string): boolean {
    if (/[^\w.:[\]-]/.test(host)) return false;
    const url = URL.parse(`http://${host}`);
    if (url === null) return false;
    const name = url.hostname.replace(/\.$/, '');
    if (isIP(name.replace(/^\[|\]$/g, '')) !== 0 || !name.includes('.')) return true;
    return this.names.has(name) || this.suffixes.some((suffix) => name.endsWith(suffix));
  }
}

function isEncrypted({ socket }: IncomingMessage): boolean {
  return (socket as Partial<TLSSocket>).encrypted === true;
}

/** The whole window goes there, and the page that it left sees nothing of it. */
function isFollowedLink({ method, headers }: IncomingMessage): boolean {
  const reads = method === 'GET' || method === 'HEAD';
  return reads && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
}

/** A picture or a script in another page of the same site, which over loopback is this machine. */
function isEmbedded({ headers }: IncomingMessage): boolean {
  return headers['sec-fetch-site'] === 'same-site' && headers.origin === undefined;
}

function foreignPage({ headers: { origin = 'another site' } }: IncomingMessage): FnError {
  return new FnError('foreignPage', { params: { origin: origin.slice(0, MAX_SHOWN) } });
}

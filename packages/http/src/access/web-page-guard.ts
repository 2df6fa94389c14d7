import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { hostname } from 'node:os';
import type { TLSSocket } from 'node:tls';
import { FnError, isLoopback, SettingsError } from '@fnfleet/core';
import { isSameHost, newAllowedOrigins } from '../cors.js';

export interface WebPageOptions {
  /** Additional host names of a node without TLS: `fn.example`, `*.fn.example`, or `*` for any. */
  readonly allowedHosts?: readonly string[];
  /** Origins whose pages have the rights of other clients; `*` as the first item allows all. */
  readonly corsOrigins?: readonly string[];
}

/** Suffixes under which nobody on the internet can register a name. */
const LOCAL_SUFFIXES = ['.localhost', '.local', '.internal', '.svc'];
const MAX_HOST_LENGTH = 255;
const MAX_REMEMBERED = 100;
const MAX_SHOWN = 100;

/**
 * Keeps web pages from attacking a node through the browser of a user who can reach its port. A browser sends the
 * requests of any page to any address, and only prevents the page from reading the response.
 *
 * P1  A page whose own name resolves to this node (DNS rebinding) is detected by `Host`: it cannot own an address or a
 *     local name. Over TLS the certificate has the same effect.
 * P2  A page of another origin is detected by `Sec-Fetch-Site`, or in older browsers by `Origin`.
 * P3  Functions may be meant for pages of any origin, so calls are checked only over loopback, where they are not
 *     public.
 */
export class WebPageGuard {
  private readonly hosts: HostNames;
  private readonly mayAct: (origin: string) => boolean;

  /** @throws SettingsError when a host or an origin is invalid */
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
    // A request without Host is HTTP/1.0, which no browser uses.
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

/** The names that a node accepts as its own. */
class HostNames {
  private readonly any: boolean;
  private readonly names: ReadonlySet<string>;
  private readonly suffixes: readonly string[];
  /** Cache of verdicts. The clients of a node use only a few spellings of its name. */
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

  /** @param host as in the header, with or without port */
  has(host: string): boolean {
    if (this.any) return true;
    let known = this.known.get(host);
    if (known === undefined) {
      known = host.length <= MAX_HOST_LENGTH && this.isOwn(host);
      // Clients choose the header, so the size of the cache is limited.
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

/** Whether a user followed a link: the whole window navigates, and the previous page cannot read the response. */
function isFollowedLink({ method, headers }: IncomingMessage): boolean {
  const reads = method === 'GET' || method === 'HEAD';
  return reads && headers['sec-fetch-mode'] === 'navigate' && headers['sec-fetch-dest'] === 'document';
}

/**
 * Whether another page of the same site, which over loopback is this machine, embeds the response as an image or
 * script.
 */
function isEmbedded({ headers }: IncomingMessage): boolean {
  return headers['sec-fetch-site'] === 'same-site' && headers.origin === undefined;
}

function foreignPage({ headers: { origin = 'another site' } }: IncomingMessage): FnError {
  return new FnError('foreignPage', { params: { origin: origin.slice(0, MAX_SHOWN) } });
}

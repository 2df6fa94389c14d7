import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { EndpointSlice } from '../kubernetes/endpoint-slice.js';

interface LabelledSlice extends EndpointSlice {
  readonly metadata: EndpointSlice['metadata'] & { readonly labels: Readonly<Record<string, string>> };
}

interface Event {
  readonly version: number;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED';
  readonly object: LabelledSlice;
}

interface Watch {
  readonly res: ServerResponse;
  readonly wants: (slice: LabelledSlice) => boolean;
  readonly bookmarks: boolean;
}

const PATH = '/apis/discovery.k8s.io/v1/namespaces/prod/endpointslices';

/**
 * The part of the Kubernetes API that serves EndpointSlices of the namespace prod: list and watch with versions, bookmarks,
 * a history that can be truncated, and tokens.
 */
export class FakeKubernetes {
  /** Query of each request, in order. */
  readonly asked: URLSearchParams[] = [];
  /** Token that a client must send; undefined: none. */
  token: string | undefined;
  /** While set, every request gets this response. */
  refusal: { readonly code: number; readonly message: string } | undefined;
  /** Reports an expired version with the status of the response, not in the stream. */
  gone: 'status' | 'event' = 'event';
  private version = 100;
  private oldest = 100;
  private readonly slices = new Map<string, LabelledSlice>();
  private history: Event[] = [];
  private readonly watches = new Set<Watch>();
  private readonly server;

  private constructor(private readonly secure: boolean) {
    const answer = (req: IncomingMessage, res: ServerResponse) => this.answer(req, res);
    this.server = secure ? createSecureServer({ key: TEST_KEY, cert: TEST_CERTIFICATE }, answer) : createServer(answer);
  }

  static async start({ secure = false } = {}): Promise<FakeKubernetes> {
    const api = new FakeKubernetes(secure);
    await api.listen(0);
    return api;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.secure ? 'https' : 'http'}://127.0.0.1:${this.port}`;
  }

  /** Open watches. */
  get watching(): number {
    return this.watches.size;
  }

  put(name: string, slice: Omit<EndpointSlice, 'metadata'>, service = 'runner'): void {
    const type = this.slices.has(name) ? 'MODIFIED' : 'ADDED';
    this.version += 1;
    const labels = { 'kubernetes.io/service-name': service };
    const object = { ...slice, metadata: { name, resourceVersion: String(this.version), labels } };
    this.slices.set(name, object);
    this.happened({ version: this.version, type, object });
  }

  delete(name: string): void {
    const slice = this.slices.get(name);
    if (slice === undefined) throw new Error(`there is no slice ${name}`);
    this.slices.delete(name);
    this.version += 1;
    const metadata = { ...slice.metadata, resourceVersion: String(this.version) };
    this.happened({ version: this.version, type: 'DELETED', object: { ...slice, metadata } });
  }

  /** Changes of other objects: the version advances, and watchers are told. */
  bookmark(): string {
    this.version += 10;
    const object = { kind: 'EndpointSlice', metadata: { resourceVersion: String(this.version) } };
    for (const { res, bookmarks } of this.watches) if (bookmarks) send(res, { type: 'BOOKMARK', object });
    return String(this.version);
  }

  /** Truncates the history. */
  forget(): void {
    this.version += 1;
    this.oldest = this.version;
    this.history = [];
  }

  /** As after `timeoutSeconds`. */
  endWatches(): void {
    for (const { res } of this.watches) res.end();
    this.watches.clear();
  }

  /** As when a server or the network fails. */
  drop(): void {
    this.watches.clear();
    this.server.closeAllConnections();
  }

  async close(): Promise<void> {
    this.drop();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async listen(port: number): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(port, '127.0.0.1', resolve));
  }

  private happened(event: Event): void {
    this.history.push(event);
    for (const { res, wants } of this.watches) if (wants(event.object)) send(res, event);
  }

  private answer(req: IncomingMessage, res: ServerResponse): void {
    const { pathname, searchParams } = new URL(req.url ?? '', 'http://localhost');
    this.asked.push(searchParams);
    if (this.refusal !== undefined) return fail(res, this.refusal.code, this.refusal.message);
    if (this.token !== undefined && req.headers.authorization !== `Bearer ${this.token}`) {
      return fail(res, 401, 'Unauthorized');
    }
    if (pathname !== PATH) return fail(res, 404, 'the server could not find the requested resource');
    const [label = '', value] = (searchParams.get('labelSelector') ?? '').split('=');
    const wants = (slice: LabelledSlice) => slice.metadata.labels[label] === value;
    if (searchParams.get('watch') === 'true') this.watch(res, searchParams, wants);
    else this.list(res, wants);
  }

  private list(res: ServerResponse, wants: Watch['wants']): void {
    const items = [...this.slices.values()].filter(wants);
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify({ kind: 'EndpointSliceList', metadata: { resourceVersion: String(this.version) }, items }));
  }

  private watch(res: ServerResponse, params: URLSearchParams, wants: Watch['wants']): void {
    const from = Number(params.get('resourceVersion'));
    if (from < this.oldest) return this.tooOld(res, from);
    res.writeHead(200, { 'content-type': 'application/json' });
    res.flushHeaders();
    for (const event of this.history) if (event.version > from && wants(event.object)) send(res, event);
    const watch = { res, wants, bookmarks: params.get('allowWatchBookmarks') === 'true' };
    this.watches.add(watch);
    res.on('close', () => this.watches.delete(watch));
  }

  private tooOld(res: ServerResponse, from: number): void {
    const message = `too old resource version: ${from} (${this.oldest})`;
    if (this.gone === 'status') return fail(res, 410, message);
    res.writeHead(200, { 'content-type': 'application/json' });
    res.end(`${JSON.stringify({ type: 'ERROR', object: status(410, message) })}\n`);
  }
}

function send(res: ServerResponse, { type, object }: { type: string; object: object }): void {
  res.write(`${JSON.stringify({ type, object })}\n`);
}

function fail(res: ServerResponse, code: number, message: string): void {
  res.writeHead(code, { 'content-type': 'application/json' });
  res.end(JSON.stringify(status(code, message)));
}

function status(code: number, message: string): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', message, code };
}

/** A self-signed certificate for 127.0.0.1, valid from 2020 to 2120, and its key. Only for tests. */
const TEST_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg3y1mUfHId2muYG9i
7YIqDFLBraSUEN8sYXtoJRH8f4OhRANCAARk2A/xLDyHE3O+DugWTxArohxr4wH/
+QovU7lWaxe2ZRBAUo3DDYQ5nkwRaYjeNa+KDmhLT16qQbUNjKIXtAt+
-----END PRIVATE KEY-----
`;

export const TEST_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBYTCCAQigAwIBAgIBATAKBggqhkjOPQQDAjAXMRUwEwYDVQQDDAxmbmZsZWV0
IHRlc3QwIBcNMjAwMTAxMDAwMDAwWhgPMjEyMDAxMDEwMDAwMDBaMBcxFTATBgNV
BAMMDGZuZmxlZXQgdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABGTYD/Es
PIcTc74O6BZPECuiHGvjAf/5Ci9TuVZrF7ZlEEBSjcMNhDmeTBFpiN41r4oOaEtP
XqpBtQ2Mohe0C36jQzBBMA8GA1UdEQQIMAaHBH8AAAEwDwYDVR0TAQH/BAUwAwEB
/zAdBgNVHQ4EFgQUEXHs14dyUcerl8e5jrJRaJSAZl4wCgYIKoZIzj0EAwIDRwAw
RAIgEFs4U17ja1sKVF3DBIOoAmAMif0vOBTfMWWkAe7eAlICICv+/y67YFS6nbbG
KK0e+rINtrPmV+pen4FBWahwo1sU
-----END CERTIFICATE-----
`;

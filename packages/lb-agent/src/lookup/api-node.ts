import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import tls from 'node:tls';
import { type Clock, LONG_AGO, later, MIB, type MonoMs, TurnoverSet } from '@fnfleet/core';
import { clientTlsOptions, type TlsIdentity } from '@fnfleet/tls';

/** Maximum time without data from an API node in one request, milliseconds. The caller bounds all attempts together. */
const SILENCE_MS = 10_000;
/**
 * Maximum answer: twice the size of a message to a runner, so that a function that is too large still gets a clear
 * error.
 */
const MAX_ANSWER_BYTES = 8 * MIB;
/** One for each lookup under way, one for the change feed, and three for taking asynchronous calls and reporting their ends. */
const CONNECTIONS = 132;
/** For accepting asynchronous calls. They are separate, so that lookups and renewals of leases do not wait for them. */
const PUSH_CONNECTIONS = 64;
/** How long a node that failed is used only if the others fail as well: at first, and at most. Milliseconds. */
const FIRST_REST_MS = 1_000;
const MAX_REST_MS = 60_000;

export interface ApiNodeOptions {
  readonly clock: Clock;
  /** Uniform, 0 to below 1. */
  readonly random: () => number;
  /** TLS identity towards the node, with the CA that verifies it. */
  readonly tls?: TlsIdentity | undefined;
  /** The name that its certificate must have; by default the host of its URL. */
  readonly tlsName?: string | undefined;
}

export interface ApiAnswer {
  readonly status: number;
  readonly text: string;
}

export interface ApiBytes {
  readonly status: number;
  readonly body: Buffer;
  readonly retryAfterSeconds: number | undefined;
}

export interface PostOptions {
  readonly signal: AbortSignal;
  /** Longest time without any data. */
  readonly silenceMs: number;
  /** Maximum size of the answer. */
  readonly maxBytes: number;
  /** Whether it hands in an asynchronous call. */
  readonly isPush: boolean;
}

type Headers = Readonly<Record<string, string>>;

/** One API node: its connections, and whether it is worth asking. */
export class ApiNode {
  /** `http://host:port` */
  readonly url: string;
  private readonly agent: http.Agent;
  private readonly pushAgent: http.Agent;
  private readonly silence = new TurnoverSet<() => void>();
  private failures = 0;
  private restUntil: MonoMs = LONG_AGO;

  constructor(
    private readonly origin: URL,
    private readonly options: ApiNodeOptions,
  ) {
    this.url = origin.origin;
    this.agent = newAgent(origin, options, CONNECTIONS);
    this.pushAgent = newAgent(origin, options, PUSH_CONNECTIONS);
  }

  /** Whether it failed recently while another node answered. */
  get isResting(): boolean {
    return this.restUntil > this.options.clock.now();
  }

  /** The end of its rest. */
  get restsUntil(): MonoMs {
    return this.restUntil;
  }

  /** Uses it less for a while, longer with each failure in a row. The time has jitter, as many balancers fail together. */
  rest(): void {
    const { clock, random } = this.options;
    if (this.isResting) return;
    const ceiling = Math.min(MAX_REST_MS, FIRST_REST_MS * 2 ** Math.min(this.failures, 30));
    this.failures += 1;
    this.restUntil = later(clock.now(), ceiling / 2 + (random() * ceiling) / 2);
    for (const listener of this.silence) listener();
  }

  noteAnswer(): void {
    this.failures = 0;
    this.restUntil = LONG_AGO;
  }

  /** Calls the listener when the node is found to fail. @returns a function that ends this; idempotent */
  onRest(listener: () => void): () => void {
    this.silence.add(listener);
    return () => this.silence.delete(listener);
  }

  /** @throws Error when no complete answer arrives */
  async get(path: string, headers: Headers, signal: AbortSignal): Promise<ApiAnswer> {
    const answer = await this.open(path, headers, signal, SILENCE_MS);
    return { status: answer.statusCode ?? 0, text: (await readAll(answer, MAX_ANSWER_BYTES)).toString() };
  }

  /** Sends a body. @throws Error when no complete answer arrives */
  async post(path: string, headers: Headers, body: Buffer, options: PostOptions): Promise<ApiBytes> {
    const { signal, silenceMs, maxBytes, isPush } = options;
    const agent = isPush ? this.pushAgent : this.agent;
    const all = { ...headers, 'content-type': 'application/octet-stream', 'content-length': String(body.length) };
    const answer = await this.request({ method: 'POST', agent, path, headers: all, signal, timeout: silenceMs }, body);
    const retryAfter = Number(answer.headers['retry-after'] ?? Number.NaN);
    return {
      status: answer.statusCode ?? 0,
      body: await readAll(answer, maxBytes),
      retryAfterSeconds: Number.isFinite(retryAfter) ? retryAfter : undefined,
    };
  }

  /**
   * Sends a request and resolves with the head of its answer.
   * @param silenceMs longest time without any data, also after the head
   */
  open(path: string, headers: Headers, signal: AbortSignal, silenceMs: number): Promise<IncomingMessage> {
    return this.request({ agent: this.agent, path, headers, signal, timeout: silenceMs });
  }

  private request(options: http.RequestOptions, body?: Buffer): Promise<IncomingMessage> {
    const { protocol, port } = this.origin;
    const { request } = protocol === 'https:' ? https : http;
    const host = hostOf(this.origin);
    return new Promise((resolve, reject) => {
      const asked = request({ ...options, host, port }, resolve);
      asked.on('timeout', () => asked.destroy(new Error(`no data for ${options.timeout} ms`)));
      asked.on('error', reject);
      asked.end(body);
    });
  }

  /** Closes its connections; pending requests fail. */
  close(): void {
    this.agent.destroy();
    this.pushAgent.destroy();
  }
}

/** @throws Error when the answer is incomplete, or longer than the limit */
async function readAll(answer: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of answer) {
    length += chunk.length;
    if (length > maxBytes) throw new Error(`an answer of more than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

function newAgent(origin: URL, { tls: identity, tlsName }: ApiNodeOptions, maxSockets: number): http.Agent {
  const options = { keepAlive: true, maxSockets };
  if (origin.protocol === 'http:') return new http.Agent(options);
  const agent = new https.Agent({ ...options, maxCachedSessions: 0 });
  if (identity === undefined) return agent;
  // Each new connection uses the current certificate.
  const createConnection: https.Agent['createConnection'] = (target) => {
    const ours = clientTlsOptions(identity, hostOf(origin), { name: tlsName, roles: ['api', 'full'] });
    return tls.connect({ ...(target as tls.ConnectionOptions), ...ours });
  };
  return Object.assign(agent, { createConnection });
}

/** The host without the brackets of an IPv6 address. */
function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}

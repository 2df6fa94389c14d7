import { Agent as HttpAgent, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { json } from 'node:stream/consumers';
import { inspect } from 'node:util';
import { CancelledError, type Clock, observe } from '@fnfleet/core';
import Docker from 'dockerode';
import { untilAborted } from '../cancellation.js';
import type { EngineAddress } from './engine-address.js';
import { type CallLimits, ENGINE_CALLS, type EngineCall, type EngineObserver } from './engine-calls.js';
import { EngineError, EngineTimeoutError } from './engine-errors.js';

export interface EngineOptions {
  readonly address: EngineAddress;
  readonly limits: CallLimits;
  readonly clock: Clock;
  readonly observer?: EngineObserver;
}

/**
 * How calls reach the engine: each has a deadline, since a daemon may accept a call and never answer it; each is measured;
 * and of each the observer hears what it says about the engine.
 */
export class EngineTransport {
  readonly docker: Docker;
  private readonly inFlight = new Set<AbortController>();
  private closed = false;

  constructor(private readonly options: EngineOptions) {
    const { address } = options;
    // A connection for each call: one kept from before a restart of the daemon would fail the next call.
    const agent = address.options.protocol === 'https' ? new HttpsAgent() : new HttpAgent();
    const dockerOptions = { ...address.options, agent: terse(agent) };
    this.docker = new Docker(dockerOptions);
  }

  /**
   * Runs one call until it is answered, its time is over or nobody wants it.
   * @throws EngineError what the engine answered, EngineTimeoutError, CancelledError on abort and after `close`; else the
   *   network's error
   */
  async call<T>(api: EngineCall, run: (signal: AbortSignal) => Promise<T>, caller?: AbortSignal): Promise<T> {
    const kind = ENGINE_CALLS[api];
    const limitMs = kind === 'open' ? Number.POSITIVE_INFINITY : this.options.limits[kind];
    const { clock, observer } = this.options;
    const life = new AbortController();
    const cancel = () => life.abort(new CancelledError());
    if (this.closed || caller?.aborted) throw new CancelledError();
    caller?.addEventListener('abort', cancel, { once: true });
    const timer = clock.after(limitMs, () => life.abort(new EngineTimeoutError(api, limitMs)), { keepAlive: true });
    this.inFlight.add(life);
    const startedAt = clock.now();
    let status = 'ok';
    try {
      // Raced as well as aborted: an answer that breaks off in the middle leaves dockerode waiting for ever.
      const answer = await untilAborted(run(life.signal), life.signal);
      observer?.answered(kind);
      return answer;
    } catch (cause) {
      const error = life.signal.aborted ? life.signal.reason : EngineError.from(cause, api);
      status = statusOf(error);
      if (error instanceof EngineError) observer?.answered(kind);
      else if (status !== 'canceled') observer?.unanswered(kind, error);
      throw error;
    } finally {
      observe('docker_api_latency', clock.now() - startedAt, {
        api_name: `docker_${api}`,
        api_status: status,
      });
      timer.cancel();
      caller?.removeEventListener('abort', cancel);
      this.inFlight.delete(life);
    }
  }

  /** Asks for JSON. */
  look<T>(api: EngineCall, path: string, signal?: AbortSignal, query?: object): Promise<T> {
    const run = async (abortSignal: AbortSignal) => (await json(await this.open('GET', path, abortSignal, query))) as T;
    return this.call(api, run, signal);
  }

  /**
   * The response as soon as its head is there, for the calls that dockerode cannot abort or only reads to their end.
   * @param path ends in a question mark if there is a query
   */
  open(method: string, path: string, abortSignal: AbortSignal, query?: object): Promise<IncomingMessage> {
    const parameters = query === undefined ? {} : { options: { _query: query, _body: {} } };
    const options = { method, path, abortSignal, isStream: true, statusCodes: { 200: true }, ...parameters };
    return new Promise((resolve, reject) => {
      this.docker.modem.dial(options, (error, response) =>
        error ? reject(error) : resolve(response as IncomingMessage),
      );
    });
  }

  /** Breaks off every call in flight and refuses new ones. */
  close(): void {
    this.closed = true;
    for (const life of this.inFlight) life.abort(new CancelledError());
  }
}

/**
 * docker-modem (5.0.7) renders the options of every request for its debug log, whether that is on or not, and in them the
 * agent with each socket that it has open: tens of milliseconds of computing a call once some containers are attached to.
 */
function terse<T extends HttpAgent>(agent: T): T {
  return Object.assign(agent, { [inspect.custom]: () => 'the agent of the engine transport' });
}

/** The value of `api_status`. */
function statusOf(error: unknown): string {
  if (error instanceof EngineTimeoutError) return 'timeout';
  if (error instanceof CancelledError) return 'canceled';
  if (error instanceof EngineError) return String(error.status);
  return 'error';
}

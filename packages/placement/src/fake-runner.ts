import { CancelledError, FnError, type HeaderList, Listeners } from '@fnfleet/core';
import {
  type AttemptBlame,
  type AttemptOutcome,
  type BodyReader,
  type CallReport,
  NOTHING_CHECKED,
  type OutboundCall,
  type RefusalReason,
  type RunnerStatus,
} from '@fnfleet/protocol';
import type { LoadListener, Runner } from './runner.js';

/** What a fake runner does with one call. */
export type FakeAttempt = (call: OutboundCall, signal: AbortSignal) => Promise<AttemptOutcome>;

export interface FakeAnswer {
  readonly status?: number;
  readonly headers?: HeaderList;
  readonly body?: string | Buffer;
}

/**
 * A runner without a machine, for tests of code that places calls. It follows its script, one entry per attempt, and repeats the
 * last entry. It ships with the product so that users can test their own placers and pools.
 */
export class FakeRunner implements Runner {
  /** Listeners for load reports. Emit one to simulate a report. */
  readonly loads = new Listeners<Parameters<LoadListener>>();
  /** Calls in the order in which they were offered. */
  readonly offered: OutboundCall[] = [];
  /** Request bodies that were read to the end. */
  readonly bodies: Buffer[] = [];
  closed = false;
  private readonly script: FakeAttempt[] = [];
  private active = 0;

  constructor(readonly address: string) {}

  subscribe(listener: LoadListener): () => void {
    return this.loads.subscribe(listener);
  }

  get attempts(): number {
    return this.offered.length;
  }

  refuses(reason: RefusalReason = 'busy', error: Error = new FnError('serverBusy')): this {
    return this.does(async () => ({ kind: 'refused', reason, error }));
  }

  fails(error: Error, blame: AttemptBlame = 'runner'): this {
    return this.does(async (call) => {
      await this.readBody(call);
      return { kind: 'failed', blame, error };
    });
  }

  finishes(answer: FakeAnswer = {}): this {
    return this.does(async (call, signal) => {
      await unlessAborted(this.readBody(call), signal);
      call.body.commit();
      call.response.writeHead(answer.status ?? 200, answer.headers ?? []);
      const body = Buffer.from(answer.body ?? '');
      if (body.length > 0) call.response.write(body);
      return { kind: 'finished', report: reportOf(call) };
    });
  }

  /** Takes the call and holds it until its caller gives up. */
  hangs(): this {
    return this.does((_call, signal) => unlessAborted(new Promise<never>(() => undefined), signal));
  }

  does(attempt: FakeAttempt): this {
    this.script.push(attempt);
    return this;
  }

  async tryCall(call: OutboundCall, signal: AbortSignal): Promise<AttemptOutcome> {
    const attempt = this.script[Math.min(this.offered.length, this.script.length - 1)];
    if (attempt === undefined) throw new Error(`fake runner ${this.address} has no script`);
    this.offered.push(call);
    this.active += 1;
    try {
      return await attempt(call, signal);
    } catch (error) {
      const blame = error instanceof CancelledError ? 'caller' : 'runner';
      return { kind: 'failed', blame, error: error as Error };
    } finally {
      this.active -= 1;
    }
  }

  /** Reads the whole request body, as a runner does before the function answers. */
  async readBody(call: OutboundCall): Promise<Buffer> {
    const body = await readToEnd(call.body.open());
    this.bodies.push(body);
    return body;
  }

  async status(): Promise<RunnerStatus> {
    const { active, attempts } = this;
    return { ...NOTHING_CHECKED, active, requestsReceived: attempts, requestsHandled: attempts - active };
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

/** The report of a runner about a successful call. */
export function reportOf(call: OutboundCall, parts: Partial<CallReport> = {}): CallReport {
  return {
    success: true,
    callId: call.model.id,
    errorCode: 0,
    errorText: '',
    errorDetail: '',
    retryAfterSeconds: 0,
    log: '',
    errorUser: false,
    createdAt: undefined,
    startedAt: undefined,
    completedAt: undefined,
    schedulerNs: 0,
    executionNs: 0,
    image: call.model.image,
    imagePullWaitNs: 0,
    containerPrepareNs: 0,
    containerCreateNs: 0,
    containerInitNs: 0,
    ...parts,
  };
}

function readToEnd(reader: BodyReader): Promise<Buffer> {
  const pieces: Buffer[] = [];
  return new Promise<Buffer>((resolve, reject) => {
    const readOn = () => {
      try {
        for (let piece = reader.read(); piece !== undefined; piece = reader.read()) {
          pieces.push(piece.data);
          if (piece.last) return resolve(Buffer.concat(pieces));
        }
      } catch (error) {
        reject(error);
      }
    };
    reader.onReadable = readOn;
    readOn();
  }).finally(() => reader.close());
}

function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason instanceof Error ? signal.reason : new CancelledError());
    if (signal.aborted) return abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

import { Agent, request } from 'undici';
import { bytesOf, type Expectation } from './kinds.js';
import type { PlannedCall } from './plan.js';

/** A call that is not answered by then never will be, milliseconds. */
const PATIENCE_MS = 180_000;

/** How a call ended, as its client saw it. */
export type Ending =
  | { readonly status: number; readonly body: Buffer }
  | { readonly broken: string }
  | { readonly left: true }
  | { readonly unanswered: true };

export interface CallResult {
  readonly call: PlannedCall;
  readonly ending: Ending;
  readonly tookMs: number;
  /** What is wrong with the ending; undefined: it is right. */
  readonly wrong: string | undefined;
}

/** The clients of a soak, with connections of their own. */
export class Caller {
  private agent = newAgent();

  constructor(private readonly urlOf: (call: PlannedCall) => string) {}

  async call(call: PlannedCall): Promise<CallResult> {
    const startedAt = performance.now();
    const ending = await this.send(call);
    return { call, ending, tookMs: performance.now() - startedAt, wrong: judge(call.expected, ending) };
  }

  /** Closes all connections, as clients that have gone home. */
  async hangUp(): Promise<void> {
    await this.agent.destroy();
    this.agent = newAgent();
  }

  private async send(call: PlannedCall): Promise<Ending> {
    const { leaveAfterMs } = call;
    const leaving = AbortSignal.timeout(leaveAfterMs ?? PATIENCE_MS);
    try {
      const options = { ...requestOf(call), signal: leaving, dispatcher: this.agent };
      const answer = await request(this.urlOf(call), options);
      return { status: answer.statusCode, body: Buffer.from(await answer.body.arrayBuffer()) };
    } catch (error) {
      if (!leaving.aborted) return { broken: (error as Error).message };
      return leaveAfterMs === undefined ? { unanswered: true } : { left: true };
    }
  }
}

function requestOf({ knobs, body }: PlannedCall) {
  const text = JSON.stringify(knobs);
  if (body === undefined) return { method: 'POST', body: text ?? null } as const;
  const headers: Record<string, string> = text === undefined ? {} : { probe: text };
  return { method: 'POST', headers, body: bytesOf(body) } as const;
}

function newAgent(): Agent {
  return new Agent({ headersTimeout: PATIENCE_MS, bodyTimeout: PATIENCE_MS });
}

/** @returns what is wrong; undefined: nothing */
export function judge(expected: Expectation, ending: Ending): string | undefined {
  const got = describe(ending);
  if (expected === 'left') return 'left' in ending ? undefined : `the client should have left, got ${got}`;
  if (expected === 'broken') return 'broken' in ending ? undefined : `the connection should have broken, got ${got}`;
  if (expected.orBroken && 'broken' in ending) return undefined;
  if (!('status' in ending) || ending.status !== expected.status) return `expected ${expected.status}, got ${got}`;
  if (expected.body !== undefined && !bytesOf(expected.body).equals(ending.body)) return `another body: ${got}`;
  if (expected.bodyBytes !== undefined && expected.bodyBytes !== ending.body.length) {
    return `expected ${expected.bodyBytes} bytes, got ${ending.body.length}`;
  }
  if (expected.message !== undefined && !ending.body.includes(JSON.stringify(expected.message))) {
    return `expected ${JSON.stringify(expected.message)}, got ${got}`;
  }
  return undefined;
}

function describe(ending: Ending): string {
  if ('left' in ending) return 'nothing: it left';
  if ('unanswered' in ending) return `no answer within ${PATIENCE_MS} ms`;
  if ('broken' in ending) return `a broken connection: ${ending.broken}`;
  return `${ending.status} ${ending.body.subarray(0, 120).toString()}`;
}

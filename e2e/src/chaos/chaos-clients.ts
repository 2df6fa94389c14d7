import { setTimeout as sleep } from 'node:timers/promises';
import { Agent } from 'undici';
import { invoke } from '../harness/invoke.js';
import { fetch } from '../harness/requests.js';
import type { Random } from '../soak/random.js';
import type { ChaosFleet } from './chaos-fleet.js';
import type { AcceptedCall } from './judge.js';
import { type ChaosOptions, type PlannedCall, planCall } from './plan.js';
import type { RunRecorder } from './run-recorder.js';

/** Longer than the fleet takes to say that it cannot accept a call. */
const PATIENCE_MS = 15_000;
const PAUSE_MS = 20;

/** Sends asynchronous calls, and keeps what it was told about each. */
export class ChaosClients {
  readonly accepted: AcceptedCall[] = [];
  /** Answers other than 202, by status. */
  readonly refusals = new Map<number, number>();
  /** Calls without an answer. */
  broken = 0;
  /** Keyed calls that were sent again, and had been accepted before. */
  repeated = 0;
  /** Accepted calls that have to run. */
  private readonly waiting = new Set<string>();
  private sent = 0;
  private readonly agent: Agent;
  private readonly cancellations: Promise<void>[] = [];

  constructor(
    private readonly fleet: ChaosFleet,
    private readonly recorder: RunRecorder,
    private readonly options: ChaosOptions,
  ) {
    const { clients } = options;
    this.agent = new Agent({ connections: clients, headersTimeout: PATIENCE_MS, bodyTimeout: PATIENCE_MS });
  }

  /** Sends calls until it is over. Resolves when all have been answered, and what is to be cancelled is. */
  async send(random: Random, isOver: () => boolean): Promise<void> {
    const clients = Array.from({ length: this.options.clients }, async () => {
      const own = random.fork();
      while (!isOver()) {
        if (this.backlog > this.options.backlog) await sleep(PAUSE_MS);
        else await this.call(planCall(own, `${this.options.seed}-${this.sent++}`), isOver);
      }
    });
    await Promise.all(clients);
    await Promise.all(this.cancellations);
    await this.agent.close();
  }

  /** Without those that are cancelled, which perhaps never run. */
  private get backlog(): number {
    for (const callId of this.waiting) if (this.recorder.hasBegun(callId)) this.waiting.delete(callId);
    return this.waiting.size;
  }

  private async call(call: PlannedCall, isOver: () => boolean): Promise<void> {
    let callId = await this.accept(call);
    while (call.keyed && callId === undefined && !isOver()) callId = await this.accept(call);
    if (callId === undefined) return;
    if (call.cancelAfterMs === undefined) {
      this.accepted.push({ callId, call });
      this.waiting.add(callId);
    } else this.cancellations.push(this.cancel(callId, call, call.cancelAfterMs));
    if (call.keyed && (await this.accept(call)) !== undefined) this.repeated += 1;
  }

  /** @returns the id that its client was told; undefined if it was refused, or not answered */
  private async accept({ label, fn, knobs, padding, keyed }: PlannedCall): Promise<string | undefined> {
    const { lbUrl, fnIds } = this.fleet;
    try {
      const answer = await invoke(`${lbUrl}/invoke/${fnIds[fn]}`, {
        knobs: { report: this.recorder.url, label, body: label, ...knobs, padding: 'x'.repeat(padding) },
        headers: { 'fn-invoke-type': 'async', ...(keyed ? { 'idempotency-key': label } : {}) },
        dispatcher: this.agent,
      });
      if (answer.status === 202) return JSON.parse(answer.body.toString()).call_id;
      this.refusals.set(answer.status, (this.refusals.get(answer.status) ?? 0) + 1);
    } catch {
      this.broken += 1;
    }
    await sleep(PAUSE_MS);
    return undefined;
  }

  private async cancel(callId: string, call: PlannedCall, afterMs: number): Promise<void> {
    await sleep(afterMs);
    const { apiUrl, fnIds } = this.fleet;
    const url = `${apiUrl}/v2/fns/${fnIds[call.fn]}/calls/${callId}`;
    const status = await fetch(url, { method: 'DELETE' }).then(
      (response) => response.status,
      () => 0,
    );
    const cancel = status === 204 ? 'cancelled' : status === 409 ? 'ended' : 'unanswered';
    this.accepted.push({ callId, call, cancel });
  }
}

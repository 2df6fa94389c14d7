import type { FunctionLimits, Lane } from './message-queue.js';

/** How often the rest of a function doubles. */
const MAX_DOUBLINGS = 3;

/** A function with calls in the store, and how many there are in each state. */
export class FunctionEntry {
  readonly ready: [number, number, number] = [0, 0, 0];
  delayed = 0;
  running = 0;
  dead = 0;
  /** Its idempotency keys that are known. */
  keys = 0;
  limits: FunctionLimits = {};
  /** Leases that the rate limit allows, as of `tokensAt`. */
  tokens = 0;
  tokensAt = 0;
  /** Nobody had room for its calls: none is leased before. */
  restsUntil = 0;
  /** How often that has happened in a row. */
  rests = 0;
  /** Why no call of it starts any more: it was deleted. */
  closed: string | undefined;
  /** How far its waiting calls have been buried. */
  buriedUpTo = '';

  /** Who gets a turn: all functions of an app together. */
  owner: string;

  /** @param app empty if it is not known */
  constructor(
    readonly id: number,
    readonly fnId: string,
    readonly lane: Lane,
    public app = '',
  ) {
    this.owner = ownerOf(fnId, app);
  }

  belongsTo(app: string): void {
    this.app = app;
    this.owner = ownerOf(this.fnId, app);
  }

  get readyCount(): number {
    return this.ready[0] + this.ready[1] + this.ready[2];
  }

  get waiting(): number {
    return this.readyCount + this.delayed;
  }

  /** @returns whether they have changed */
  setLimits({ concurrency, rate }: FunctionLimits, now: number): boolean {
    const known = this.limits;
    const isSameRate = rate?.calls === known.rate?.calls && rate?.perMs === known.rate?.perMs;
    if (concurrency === known.concurrency && isSameRate) return false;
    this.limits = { concurrency, rate };
    if (!isSameRate) {
      this.tokens = rate?.calls ?? 0;
      this.tokensAt = now;
    }
    return true;
  }

  /** When its rest is over and the rate limit allows the next lease: now, or later. */
  nextLeaseAt(now: number): number {
    return Math.max(this.restsUntil, this.nextTokenAt(now));
  }

  /** Those that are given back together count once. */
  rest(now: number, ms: number): void {
    if (now < this.restsUntil) return;
    this.restsUntil = Math.ceil(now + ms * 2 ** Math.min(this.rests, MAX_DOUBLINGS));
    this.rests += 1;
  }

  private nextTokenAt(now: number): number {
    const { rate } = this.limits;
    if (rate === undefined) return now;
    this.refill(now);
    return this.tokens >= 1 ? now : now + Math.ceil(((1 - this.tokens) * rate.perMs) / rate.calls);
  }

  isBelowConcurrency(): boolean {
    const { concurrency } = this.limits;
    return concurrency === undefined || this.running < concurrency;
  }

  private refill(now: number): void {
    const { rate } = this.limits;
    if (rate === undefined) return;
    const gained = ((now - this.tokensAt) * rate.calls) / rate.perMs;
    this.tokens = Math.min(rate.calls, this.tokens + Math.max(0, gained));
    this.tokensAt = now;
  }
}

function ownerOf(fnId: string, app: string): string {
  return app === '' ? ` ${fnId}` : app;
}

/** Reads the limits, the tokens and the end of a function from its row. */
export function functionEntry(row: Readonly<Record<string, unknown>>): FunctionEntry {
  const lane = row.lane === 'deliveries' ? 'deliveries' : 'calls';
  const entry = new FunctionEntry(Number(row.id), String(row.fn_id), lane, String(row.app));
  const calls = row.rate_calls === null ? undefined : Number(row.rate_calls);
  entry.limits = {
    concurrency: row.concurrency === null ? undefined : Number(row.concurrency),
    rate: calls === undefined ? undefined : { calls, perMs: Number(row.rate_ms) },
  };
  entry.tokens = Number(row.tokens);
  entry.tokensAt = Number(row.tokens_at);
  entry.closed = row.closed === null ? undefined : String(row.closed);
  return entry;
}

import { MAX_RESERVED, MAX_RESERVED_BYTES } from './bounds.js';
import type { FunctionEntry } from './function-entry.js';
import type { ReserveRequest } from './message-queue.js';
import type { Round } from './turns.js';

/** One reservation: takes functions in turn within its limits. */
export class Reservation {
  private readonly has = new Map<FunctionEntry, number>();
  private readonly round: Round;
  private readonly limit: number;
  private readonly maxBytes: number;
  private calls = 0;
  private bytes = 0;
  private isFirst = true;

  constructor(
    private readonly request: ReserveRequest,
    newRound: (wants: (entry: FunctionEntry) => boolean) => Round,
  ) {
    this.limit = Math.min(request.limit, MAX_RESERVED);
    this.maxBytes = Math.min(request.maxBytes ?? MAX_RESERVED_BYTES, MAX_RESERVED_BYTES);
    const { perFunction = Number.POSITIVE_INFINITY } = request;
    this.round = newRound((entry) => this.heldOf(entry) < perFunction);
  }

  /** Whose turn it is; undefined if nothing more is to be leased. */
  next(): ReturnType<Round['next']> {
    if (this.calls >= this.limit) return undefined;
    const next = this.round.next();
    if (next !== undefined) {
      this.calls += 1;
      this.has.set(next.entry, this.heldOf(next.entry) + 1);
    }
    return next;
  }

  /** How many more calls it may take. */
  get left(): number {
    return this.limit - this.calls;
  }

  /** Whether a call of this size fits beside those before it. If not, the reservation is over. */
  fits(bytes: number): boolean {
    const fits = this.isFirst || this.bytes + bytes <= this.maxBytes;
    this.isFirst = false;
    this.bytes += bytes;
    if (this.bytes >= this.maxBytes) this.calls = this.limit;
    return fits;
  }

  /** The next instant at which a rate limit or a rest allows a lease, for functions that were passed over because of it. */
  get nextAt(): number | undefined {
    return this.round.nextAt;
  }

  private heldOf(entry: FunctionEntry): number {
    return this.has.get(entry) ?? this.request.held?.get(entry.fnId) ?? 0;
  }
}

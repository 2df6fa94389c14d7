import { count, LONG_AGO, later, latest, type MonoMs, NEVER, type WallMs } from '@fnfleet/core';
import type { AttemptOutcome, LoadReport, OutboundCall, RunnerStatus } from '@fnfleet/protocol';
import type { Candidate } from '../candidate.js';
import type { Runner } from '../runner.js';
import { BackOff } from './back-off.js';
import type { FunctionView } from './function-view.js';
import type { HealthOptions } from './health-options.js';
import { type Introduction, introductionOf } from './introduction.js';
import { KnownFunctions } from './known-functions.js';
import { type Need, needOf } from './need.js';
import { Reputation } from './reputation.js';
import { Room } from './room.js';
import { SlowStart } from './slow-start.js';

/** One that cannot be reached is left alone for about so long at first, and at most, milliseconds. */
const UNREACHABLE_FIRST_MS = 50;
const UNREACHABLE_MAX_MS = 2_000;
/** One that has not answered a probe is left to the probes, which come more often than this, milliseconds. */
const PROBED_MS = 3_000;
/** A runner that was draining when it was last heard of is asked again after this long: its successor may be there. */
const DRAINING_MS = 2_000;
/** One that owes a sign of life is looked at again after this time. */
const SILENT_MS = 100;

type Refusal = Extract<AttemptOutcome, { kind: 'refused' }>;

/** Why a runner is not offered a call now. `gone`: never again. */
export type Unfit = 'gone' | 'cordoned' | 'draining' | 'ejected' | 'unreachable' | 'silent' | 'refused' | 'no room';

export type RunnerState = 'ok' | 'draining' | 'cordoned' | 'ejected' | 'unreachable' | 'silent' | 'gone';

export interface RunnerViewDeps {
  readonly health: HealthOptions;
  now(): MonoMs;
  wallNow(): WallMs;
  random(): number;
  /** A function has got, or has lost, its free containers there, as far as is known. */
  onWarm(fnId: string, view: RunnerView, warm: boolean): void;
  onInFlight(change: 1 | -1): void;
  /** Whether the fleet can do without one more runner. */
  mayEject(): boolean;
  /** Too few runners are healthy for taking any of them out. */
  panics(): boolean;
  /** It may have room that it did not have before. */
  onRoom(view: RunnerView): void;
}

/**
 * What this balancer knows about one runner: from the outcomes of its own calls, and from the load reports of a runner that
 * sends some. Of a runner of Fn only the former is known, and it is enough.
 *
 * V1  A runner that has refused a function is not asked for it again until the refusal has run out (once, by one call), or
 *     something ended there since: each end is worth one offer.
 * V2  A report of another process than before (`instanceId`) makes all that was known void.
 * V3  What is guessed keeps a call waiting for a bounded time only.
 */
export class RunnerView implements Candidate {
  inFlight = 0;
  load: LoadReport | undefined;
  /** When it last told something, or was asked in vain. */
  heardAt = LONG_AGO;
  /** When it was last asked for its status, or was found to be another process: then it has not been asked yet. */
  askedAt = LONG_AGO;
  /** When an attempt last ended in an answer of its own, a refusal included. */
  answeredAt = LONG_AGO;
  /** Undefined: it has not been asked yet, or is a runner of Fn. */
  introduction: Introduction | undefined;
  /** What was wrong when it was last out of reach, or failed calls; for operators. */
  trouble: string | undefined;
  private cordoned = false;
  private readonly reputation: Reputation;
  private readonly slowStart: SlowStart;
  private gone = false;
  private drainingUntil = LONG_AGO;
  private credits = 0;
  private readonly functions: KnownFunctions;
  private readonly unreachable = new BackOff(UNREACHABLE_FIRST_MS, UNREACHABLE_MAX_MS);
  private readonly room = new Room();

  constructor(
    readonly runner: Runner,
    private readonly deps: RunnerViewDeps,
  ) {
    this.reputation = new Reputation(deps.health);
    this.slowStart = new SlowStart(deps.health.slowStartMs);
    this.functions = new KnownFunctions(deps.now, (fnId, warm) => deps.onWarm(fnId, this, warm));
    const told = (load: LoadReport, call: OutboundCall | undefined) => this.told(load, call);
    runner.onLoad = told;
  }

  get weight(): number {
    return this.slowStart.weight(this.deps.now());
  }

  get isEjected(): boolean {
    return this.deps.now() < this.reputation.ejectedUntil;
  }

  /** It could not be reached when that was tried last. */
  get isLost(): boolean {
    return this.unreachable.isActive(this.deps.now());
  }

  /** Nothing is known that speaks against it. */
  get isHealthy(): boolean {
    return this.state === 'ok';
  }

  /** What an operator would call it. Being full is none: it changes with every call. */
  get state(): RunnerState {
    const now = this.deps.now();
    if (this.gone) return 'gone';
    if (now < this.unreachable.until) return 'unreachable';
    // What it said holds until it says otherwise, whether or not it may be offered a call to see.
    if (this.load?.draining) return 'draining';
    if (this.cordoned) return 'cordoned';
    if (this.runner.isUnresponsive) return 'silent';
    return this.isEjected ? 'ejected' : 'ok';
  }

  /** An operator has said that this balancer offers it nothing. */
  get isCordoned(): boolean {
    return this.cordoned;
  }

  setCordoned(cordoned: boolean): void {
    const freed = this.cordoned && !cordoned;
    this.cordoned = cordoned;
    if (freed) this.deps.onRoom(this);
  }

  get warmFunctions(): number {
    return this.functions.warmCount;
  }

  get address(): string {
    return this.runner.address;
  }

  get isGone(): boolean {
    return this.gone;
  }

  freeSlots(fnId: string): number {
    return this.functions.get(fnId)?.freeSlots(this.deps.now()) ?? 0;
  }

  latencyMs(fnId: string): number | undefined {
    return this.functions.get(fnId)?.latencyMs;
  }

  /** Undefined: a call may be offered. */
  unfitFor({ fnId, bytes }: Need): Unfit | undefined {
    const now = this.deps.now();
    if (this.gone) return 'gone';
    if (this.cordoned) return 'cordoned';
    if (now < this.drainingUntil) return 'draining';
    if (this.isEjected && !this.deps.panics()) return 'ejected';
    if (now < this.unreachable.until) return 'unreachable';
    if (this.runner.isUnresponsive) return 'silent';
    const known = this.functions.get(fnId);
    if (known !== undefined && known.freeSlots(now) > 0) return undefined;
    if (known !== undefined && now < known.refusal.until && this.credits === 0) return 'refused';
    return this.room.fits(bytes, now) ? undefined : 'no room';
  }

  /** When the reason for not being fit runs out by itself; undefined: not before an event. */
  fitAgainAt({ fnId }: Need): MonoMs | undefined {
    if (this.cordoned) return undefined;
    const now = this.deps.now();
    let at = NEVER;
    const consider = (end: MonoMs) => {
      if (end > now && end < at) at = end;
    };
    consider(this.drainingUntil);
    consider(this.unreachable.until);
    consider(this.reputation.ejectedUntil);
    if (this.runner.isUnresponsive) consider(later(now, SILENT_MS));
    consider(this.functions.get(fnId)?.refusal.until ?? LONG_AGO);
    // With calls in hand a report will come.
    if (this.inFlight === 0) consider(this.room.trustedUntil);
    return at === NEVER ? undefined : at;
  }

  /** A call is about to be offered. Each is followed by one `ended`. */
  offered(need: Need): void {
    const { fnId, bytes } = need;
    const { now, random } = this.deps;
    const at = now();
    const known = this.functions.of(fnId);
    this.inFlight += 1;
    this.deps.onInFlight(1);
    known.inFlight += 1;
    known.bytes = bytes;
    if (known.refusal.isActive(at)) {
      if (at < known.refusal.until) this.credits -= 1;
      else known.refusal.hold(at, random);
    }
    // Idle containers count as room, so one that is taken is no room any more.
    this.room.taken(need);
    this.functions.takeFree(fnId);
  }

  /** The call has ended there. @param ms since it was offered */
  ended(need: Need, outcome: AttemptOutcome, ms: number): void {
    const known = this.functions.of(need.fnId);
    this.inFlight -= 1;
    this.deps.onInFlight(-1);
    this.room.returned(need.call);
    known.inFlight -= 1;
    this.judge(outcome);
    if (isAnswer(outcome)) this.answeredAt = this.deps.now();
    if (outcome.kind === 'refused') {
      this.refused(need.fnId, known, outcome);
      return;
    }
    known.refusal.ease();
    this.unreachable.clear();
    this.credits = 1;
    if (outcome.kind === 'finished') {
      known.tookMs(ms);
      // One that tells says what is free there itself, before this or after: counted here too, it would wake two calls.
      if (this.load === undefined) {
        this.functions.setFree(need.fnId, known.freeSlots(this.deps.now()) + 1, need.idleMs);
      }
    }
    this.deps.onRoom(this);
  }

  /** It has joined a fleet that was there before. */
  isNew(): void {
    this.slowStart.begin(this.deps.now());
  }

  /**
   * It has answered a probe.
   * @param sentAt when it was asked
   */
  isThere({ about, load }: RunnerStatus, sentAt: MonoMs): void {
    this.heardAt = this.deps.now();
    this.askedAt = this.heardAt;
    if (load === undefined && this.load !== undefined) this.becomesTaciturn();
    this.introduction = about && introductionOf(about, this.heardAt - sentAt, this.deps.wallNow());
    const wasLost = this.unreachable.until > this.heardAt;
    this.unreachable.clear();
    if (wasLost) this.deps.onRoom(this);
  }

  /** It has not answered a probe, which says nothing about how it serves calls. It is probed again in its turn. */
  saidNothing(): void {
    this.heardAt = this.deps.now();
    this.askedAt = this.heardAt;
  }

  /** It could not be reached by a probe. */
  isNotThere(error: Error): void {
    const { random } = this.deps;
    this.saidNothing();
    this.trouble = error.message;
    const wasLost = this.isLost;
    this.unreachable.strike(this.heardAt, random);
    // The first time it may just be starting.
    if (!wasLost) return;
    this.unreachable.until = latest(this.unreachable.until, later(this.heardAt, PROBED_MS));
  }

  /** No call is offered any more. */
  leave(): void {
    this.gone = true;
    this.runner.onLoad = undefined;
    this.functions.forget();
  }

  private judge(outcome: AttemptOutcome): void {
    const { now, mayEject } = this.deps;
    const wasEjected = this.isEjected;
    this.reputation.ended(outcome, now(), mayEject);
    if (wasEjected || !this.isEjected) return;
    count('lb_runner_ejected_count');
    if (outcome.kind === 'failed') this.trouble = outcome.error.message;
  }

  private refused(fnId: string, known: FunctionView, { reason, error }: Refusal): void {
    const { now, random } = this.deps;
    // Whatever was believed: nothing of it is there for this function.
    this.functions.setFree(fnId, 0, 0);
    if (reason === 'closed') this.leave();
    else if (reason === 'unreachable' || reason === 'lost') {
      this.trouble = error.message;
      this.unreachable.strike(now(), random);
    } else {
      this.unreachable.clear();
      known.refusal.strike(now(), random);
      this.credits = 0;
    }
  }

  /** @param call the one that it came with; undefined: from a status */
  private told(load: LoadReport, call: OutboundCall | undefined): void {
    const now = this.deps.now();
    if (this.load !== undefined && this.load.instanceId !== load.instanceId) this.begunAnew();
    this.load = load;
    this.heardAt = now;
    this.unreachable.clear();
    this.drainingUntil = load.draining ? later(now, DRAINING_MS) : LONG_AGO;
    this.room.told(load, now);
    if (call === undefined) this.credits = 1;
    else this.toldWith(load, call);
    if (load.memoryIdleBytes !== undefined) this.functions.trimIdle(load.memoryIdleBytes);
    this.deps.onRoom(this);
  }

  private toldWith({ freeSlots }: LoadReport, call: OutboundCall): void {
    this.room.returned(call);
    if (freeSlots === undefined) return;
    const { fnId, bytes, idleMs } = needOf(call);
    this.functions.of(fnId).bytes = bytes;
    this.functions.setFree(fnId, freeSlots, idleMs);
  }

  /** Another process has the address: what the one before said of itself is void. */
  private begunAnew(): void {
    this.functions.startOver();
    this.room.forget();
    this.reputation.clear();
    this.introduction = undefined;
    this.askedAt = LONG_AGO;
    this.isNew();
  }

  /** A runner of Fn has the address now, of which only the outcomes of calls are known. */
  private becomesTaciturn(): void {
    const { askedAt } = this;
    this.begunAnew();
    this.askedAt = askedAt;
    this.load = undefined;
    this.drainingUntil = LONG_AGO;
  }
}

/** The runner itself said how the attempt ended. */
function isAnswer(outcome: AttemptOutcome): boolean {
  if (outcome.kind === 'refused') return outcome.reason === 'busy';
  return outcome.kind === 'finished' || outcome.report !== undefined;
}

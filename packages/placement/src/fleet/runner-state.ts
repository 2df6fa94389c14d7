import { type Call, count, LONG_AGO, later, latest, type MonoMs, NEVER, PeerError, type WallMs } from '@fnfleet/core';
import type { AttemptOutcome, LoadReport, OutboundCall, RunnerStatus } from '@fnfleet/protocol';
import type { Candidate } from '../placer.js';
import type { Runner } from '../runner.js';
import { BackOff } from './back-off.js';
import { CapacityEstimate, type ResourceRequest, resourceRequestOf } from './capacity-estimate.js';
import { type FunctionState, FunctionStates } from './function-states.js';
import { type HealthOptions, OutlierDetector, SlowStart } from './health.js';
import { type RunnerIdentity, runnerIdentityOf } from './runner-identity.js';

/** First and longest pause after a runner could not be reached, milliseconds. */
const UNREACHABLE_FIRST_MS = 50;
const UNREACHABLE_MAX_MS = 2_000;
/** After repeated failed probes, calls are held back this long, milliseconds: probes come more often. */
const PROBED_MS = 3_000;
/** How long to wait before a draining runner is tried again, milliseconds: its successor may be there. */
const DRAINING_MS = 2_000;
/** How long to wait before an unresponsive runner is checked again, milliseconds. */
const SILENT_MS = 100;
/** How long a runner counts as pulling an image after it has said so, milliseconds: the next probe comes before that. */
const PULLING_MS = 10_000;

type Refusal = Extract<AttemptOutcome, { kind: 'refused' }>;

/** Why a call is not offered to a runner now. `gone`: never again. */
export type IneligibleReason =
  | 'gone'
  | 'cordoned'
  | 'draining'
  | 'ejected'
  | 'unreachable'
  | 'silent'
  | 'refused'
  | 'no room';

export type RunnerCondition = 'ok' | 'draining' | 'cordoned' | 'ejected' | 'unreachable' | 'silent' | 'gone';

export interface RunnerStateDeps {
  readonly health: HealthOptions;
  now(): MonoMs;
  wallNow(): WallMs;
  random(): number;
  /** A function has gained or lost its free containers there, as far as is known. */
  onWarm(fnId: string, state: RunnerState, warm: boolean): void;
  onInFlight(change: 1 | -1): void;
  /** Whether the fleet can do without one more runner. */
  mayEject(): boolean;
  /** Whether too few runners are healthy to eject any. */
  panics(): boolean;
  /** It may have capacity that it did not have before. */
  onCapacity(state: RunnerState): void;
}

/**
 * What this balancer knows about one runner, from the outcomes of its own calls and from the runner's load reports. A runner of
 * Fn sends none, and the outcomes are enough.
 *
 * V1  A runner that has refused a function is not offered it again until the refusal expires (then to one call), or until
 *     something ends there: each end allows one offer.
 * V2  A report with another `instanceId` means that the process was replaced, and resets everything.
 * V3  Estimates expire, so a wrong one delays a call for a bounded time.
 */
export class RunnerState implements Candidate {
  inFlight = 0;
  load: LoadReport | undefined;
  /** When it last reported, or a probe failed. */
  lastHeardAt = LONG_AGO;
  /** When it was last probed. Reset when its process was replaced. */
  probedAt = LONG_AGO;
  /** When it last answered an attempt itself, which includes refusals. */
  answeredAt = LONG_AGO;
  /** Undefined before the first probe, and for runners of Fn. */
  identity: RunnerIdentity | undefined;
  /** Why it was last unreachable or failed calls; for operators. */
  trouble: string | undefined;
  private readonly unsubscribe: (() => void) | undefined;
  private cordoned = false;
  private readonly outliers: OutlierDetector;
  private readonly slowStart: SlowStart;
  private closed = false;
  private drainingUntil = LONG_AGO;
  private credits = 0;
  private readonly functions: FunctionStates;
  private readonly unreachable = new BackOff(UNREACHABLE_FIRST_MS, UNREACHABLE_MAX_MS);
  private readonly capacity = new CapacityEstimate();

  constructor(
    readonly runner: Runner,
    private readonly deps: RunnerStateDeps,
  ) {
    this.outliers = new OutlierDetector(deps.health);
    this.slowStart = new SlowStart(deps.health.slowStartMs);
    this.functions = new FunctionStates(deps.now, (fnId, warm) => deps.onWarm(fnId, this, warm));
    this.unsubscribe = runner.subscribe?.((load, call) => this.onLoadReport(load, call));
  }

  get weight(): number {
    return this.slowStart.weight(this.deps.now());
  }

  get isEjected(): boolean {
    return this.deps.now() < this.outliers.ejectedUntil;
  }

  /** Whether the last attempt or probe found it unreachable. */
  get isUnreachable(): boolean {
    return this.unreachable.isActive(this.deps.now());
  }

  /** Whether nothing speaks against it. */
  get isHealthy(): boolean {
    return this.condition === 'ok';
  }

  /** Its condition for operators. Being full is not one, because it changes with every call. */
  get condition(): RunnerCondition {
    const now = this.deps.now();
    if (this.closed) return 'gone';
    if (now < this.unreachable.until) return 'unreachable';
    // Its last report holds until the next one, even after calls may be offered to it again to find out.
    if (this.load?.draining) return 'draining';
    if (this.cordoned) return 'cordoned';
    if (this.runner.isUnresponsive) return 'silent';
    return this.isEjected ? 'ejected' : 'ok';
  }

  /** Whether an operator has cordoned it on this balancer. */
  get isCordoned(): boolean {
    return this.cordoned;
  }

  setCordoned(cordoned: boolean): void {
    const freed = this.cordoned && !cordoned;
    this.cordoned = cordoned;
    if (freed) this.deps.onCapacity(this);
  }

  get warmFunctions(): number {
    return this.functions.warmCount;
  }

  get address(): string {
    return this.runner.address;
  }

  get isGone(): boolean {
    return this.closed;
  }

  freeSlots(fnId: string): number {
    return this.functions.get(fnId)?.freeSlots(this.deps.now()) ?? 0;
  }

  latencyMs(fnId: string): number | undefined {
    return this.functions.get(fnId)?.latencyMs;
  }

  isPulling({ fnId, image }: Pick<Call, 'fnId' | 'image'>): boolean {
    const now = this.deps.now();
    const known = this.functions.get(fnId);
    if (known !== undefined && now < known.pullingUntil) return true;
    const pulls = this.identity?.about.pulls ?? [];
    return pulls.length > 0 && now < later(this.probedAt, PULLING_MS) && pulls.some((pull) => pull.image === image);
  }

  /** Undefined: a call may be offered. */
  ineligibleReason({ fnId, bytes }: ResourceRequest): IneligibleReason | undefined {
    const now = this.deps.now();
    if (this.closed) return 'gone';
    if (this.cordoned) return 'cordoned';
    if (now < this.drainingUntil) return 'draining';
    if (this.isEjected && !this.deps.panics()) return 'ejected';
    if (now < this.unreachable.until) return 'unreachable';
    if (this.runner.isUnresponsive) return 'silent';
    const known = this.functions.get(fnId);
    if (known !== undefined && known.freeSlots(now) > 0) return undefined;
    if (known !== undefined && now < known.refusal.until && this.credits === 0) return 'refused';
    return this.capacity.fits(bytes, now) ? undefined : 'no room';
  }

  /** When the reason expires by itself; undefined if only an event can end it. */
  eligibleAgainAt({ fnId }: ResourceRequest): MonoMs | undefined {
    if (this.cordoned) return undefined;
    const now = this.deps.now();
    let at = NEVER;
    const consider = (end: MonoMs) => {
      if (end > now && end < at) at = end;
    };
    consider(this.drainingUntil);
    consider(this.unreachable.until);
    consider(this.outliers.ejectedUntil);
    if (this.runner.isUnresponsive) consider(later(now, SILENT_MS));
    consider(this.functions.get(fnId)?.refusal.until ?? LONG_AGO);
    // While calls are in flight a report will come.
    if (this.inFlight === 0) consider(this.capacity.trustedUntil);
    return at === NEVER ? undefined : at;
  }

  /** A call is about to be offered. Each is followed by one `ended`. */
  offered(request: ResourceRequest): void {
    const { fnId, bytes } = request;
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
    // Idle containers count as capacity, so taking one uses it up.
    this.capacity.reserve(request);
    this.functions.takeFree(fnId);
  }

  /** The call has ended there. @param ms since it was offered */
  ended(request: ResourceRequest, outcome: AttemptOutcome, ms: number): void {
    const known = this.functions.of(request.fnId);
    this.inFlight -= 1;
    this.deps.onInFlight(-1);
    this.capacity.release(request.call);
    known.inFlight -= 1;
    this.judge(outcome);
    if (isAnswer(outcome)) this.answeredAt = this.deps.now();
    if (outcome.kind === 'refused') {
      this.refused(request.fnId, known, outcome);
      return;
    }
    known.refusal.ease();
    this.unreachable.clear();
    this.credits = 1;
    known.pullingUntil = lacksImage(outcome) ? later(this.deps.now(), PULLING_MS) : LONG_AGO;
    if (outcome.kind === 'finished') {
      known.addLatency(ms);
      // A runner that sends reports counts its free containers itself. Counting here too would wake two calls.
      if (this.load === undefined) {
        this.functions.setFree(request.fnId, known.freeSlots(this.deps.now()) + 1, request.idleMs);
      }
    }
    this.deps.onCapacity(this);
  }

  /** It has joined a fleet that was there before. */
  beginSlowStart(): void {
    this.slowStart.begin(this.deps.now());
  }

  /**
   * It has answered a probe.
   * @param sentAt when the probe was sent
   */
  onProbeSuccess({ about, load }: RunnerStatus, sentAt: MonoMs): void {
    this.lastHeardAt = this.deps.now();
    this.probedAt = this.lastHeardAt;
    if (load === undefined && this.load !== undefined) this.withoutLoadReports();
    this.identity = about && runnerIdentityOf(about, this.lastHeardAt - sentAt, this.deps.wallNow());
    const wasUnreachable = this.unreachable.until > this.lastHeardAt;
    this.unreachable.clear();
    if (wasUnreachable) this.deps.onCapacity(this);
  }

  /** A probe failed, which says nothing about how it serves calls. It is probed again in its turn. */
  onProbeFailure(): void {
    this.lastHeardAt = this.deps.now();
    this.probedAt = this.lastHeardAt;
  }

  /** A probe found it unreachable. */
  onProbeUnreachable(error: Error): void {
    const { random } = this.deps;
    this.onProbeFailure();
    this.trouble = error.message;
    const wasUnreachable = this.isUnreachable;
    this.unreachable.strike(this.lastHeardAt, random);
    // It may still be starting.
    if (!wasUnreachable) return;
    this.unreachable.until = latest(this.unreachable.until, later(this.lastHeardAt, PROBED_MS));
  }

  /** Its runner is closed: no calls are offered to it any more. */
  close(): void {
    this.closed = true;
    this.unsubscribe?.();
    this.functions.forget();
  }

  private judge(outcome: AttemptOutcome): void {
    const { now, mayEject } = this.deps;
    const wasEjected = this.isEjected;
    this.outliers.ended(outcome, now(), mayEject);
    if (wasEjected || !this.isEjected) return;
    count('lb_runner_ejected_count');
    if (outcome.kind === 'failed') this.trouble = outcome.error.message;
  }

  private refused(fnId: string, known: FunctionState, { reason, error }: Refusal): void {
    const { now, random } = this.deps;
    // Whatever the estimate was: there is no free container for this function.
    this.functions.setFree(fnId, 0, 0);
    if (reason === 'closed') this.close();
    else if (reason === 'unreachable' || reason === 'lost') {
      this.trouble = error.message;
      this.unreachable.strike(now(), random);
    } else {
      this.unreachable.clear();
      known.refusal.strike(now(), random);
      this.credits = 0;
    }
  }

  /** @param call the call that the report came with; undefined if it came with a status */
  private onLoadReport(load: LoadReport, call: OutboundCall | undefined): void {
    const now = this.deps.now();
    if (this.load !== undefined && this.load.instanceId !== load.instanceId) this.onRestart();
    this.load = load;
    this.lastHeardAt = now;
    this.unreachable.clear();
    this.drainingUntil = load.draining ? later(now, DRAINING_MS) : LONG_AGO;
    this.capacity.onLoadReport(load, now);
    if (call === undefined) this.credits = 1;
    else this.onReportOfCall(load, call);
    if (load.memoryIdleBytes !== undefined) this.functions.trimIdle(load.memoryIdleBytes);
    this.deps.onCapacity(this);
  }

  private onReportOfCall({ freeSlots }: LoadReport, call: OutboundCall): void {
    this.capacity.release(call);
    if (freeSlots === undefined) return;
    const { fnId, bytes, idleMs } = resourceRequestOf(call);
    this.functions.of(fnId).bytes = bytes;
    this.functions.setFree(fnId, freeSlots, idleMs);
  }

  /** Another process has the address: what its predecessor reported is void. */
  private onRestart(): void {
    this.functions.startOver();
    this.capacity.forget();
    this.outliers.clear();
    this.identity = undefined;
    this.probedAt = LONG_AGO;
    this.beginSlowStart();
  }

  /** The address now belongs to a runner of Fn, about which only outcomes are known. */
  private withoutLoadReports(): void {
    const { probedAt } = this;
    this.onRestart();
    this.probedAt = probedAt;
    this.load = undefined;
    this.drainingUntil = LONG_AGO;
  }
}

/** Whether the runner has asked to come back: the pull of the image goes on there. */
function lacksImage(outcome: AttemptOutcome): boolean {
  if (outcome.kind !== 'failed' || !(outcome.error instanceof PeerError)) return false;
  return outcome.error.retryAfterSeconds !== undefined;
}

/** Whether the runner itself said how the attempt ended. */
function isAnswer(outcome: AttemptOutcome): boolean {
  if (outcome.kind === 'refused') return outcome.reason === 'busy';
  return outcome.kind === 'finished' || outcome.report !== undefined;
}

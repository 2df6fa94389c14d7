import { readdir } from 'node:fs/promises';
import type { Agent } from '@fnfleet/agent';
import { type Clock, count, later, type MonoMs, VERSION } from '@fnfleet/core';
import { MAX_ABOUT_PULLS, NOTHING_CHECKED, type RunnerAbout, type RunnerStatus } from '@fnfleet/protocol';
import type { EngagementCounters, RunnerLoad } from './runner-load.js';
import { STATUS_IDLE_SECONDS, type StatusImage, type StatusResult } from './status-image.js';

interface StatusReporterOptions {
  readonly counters: EngagementCounters;
  readonly load: RunnerLoad;
  /** Undefined if only counters and load are reported. */
  readonly statusImage: StatusImage | undefined;
  /** Directory whose entries are counted as `kdumpsOnDisk`. */
  readonly kdumpsPath: string | undefined;
  /** Current facts about the runner. */
  readonly about: () => RunnerAbout;
  readonly clock: Clock;
}

/** How long the result of a check is served, milliseconds. Its container is gone by then. */
const RESULT_LIFETIME_MS = STATUS_IDLE_SECONDS * 1000 + 500;

/** Answers `Status` and `Status2` with the last check and current figures. */
export class RunnerStatusReporter {
  private readonly cache: StatusCache<StatusResult> | undefined;

  constructor(private readonly options: StatusReporterOptions) {
    const { statusImage, clock } = options;
    if (statusImage) this.cache = new StatusCache(clock, RESULT_LIFETIME_MS, (input) => statusImage.check(input));
  }

  /**
   * @param input JSON for the status image, if it is run for this request
   * @throws the signal's reason when it aborts while a check runs
   */
  async report(input: string, signal: AbortSignal): Promise<RunnerStatus> {
    if (this.cache === undefined) return this.figures();
    const { result, cached } = await this.cache.get(input, signal).catch((error: unknown) => {
      count('status_call', 1, { cached: 'error', success: 'error', network: 'error' });
      throw error;
    });
    count('status_call', 1, {
      cached: String(cached),
      success: String(result.call.success),
      network: String(!result.networkDisabled),
    });
    const kdumpsOnDisk = await this.countKdumps();
    return { ...this.figures(), ...result, cached, kdumpsOnDisk };
  }

  private figures(): RunnerStatus {
    const { counters, load, about } = this.options;
    return { ...NOTHING_CHECKED, ...counters.snapshot(), load: load.report(), about: about() };
  }

  /** 0 if the directory does not exist. */
  private async countKdumps(): Promise<number> {
    const { kdumpsPath } = this.options;
    if (!kdumpsPath) return 0;
    return readdir(kdumpsPath).then(
      (entries) => entries.length,
      () => 0,
    );
  }
}

/** Facts about a runner for operators. */
export function aboutRunner(
  { hotFunctions, imagePulls }: Pick<Agent, 'hotFunctions' | 'imagePulls'>,
  who: Pick<RunnerAbout, 'name' | 'httpPort' | 'nowMs'>,
): RunnerAbout {
  const withHot = hotFunctions.filter(({ hot }) => hot > 0);
  return {
    ...who,
    version: VERSION,
    pulls: imagePulls.slice(0, MAX_ABOUT_PULLS),
    hotFunctions: new Set(withHot.map(({ fnId }) => fnId)).size,
    hotContainers: withHot.reduce((sum, { hot }) => sum + hot, 0),
  };
}

/** The result of a check, and whether it has been returned before. */
interface Entry<T> {
  readonly result: T;
  readonly freshUntil: MonoMs;
  taken: boolean;
}

/**
 * Caches the result of an expensive check, and shares it among concurrent callers.
 *
 * C1  At most one check runs at a time; concurrent callers wait for it, whatever their input.
 * C2  A result is served to all callers within its lifetime, counted from the end of the check.
 * C3  A check runs to its end even if its callers have gone, and its result is kept.
 */
export class StatusCache<T> {
  private last: Entry<T> | undefined;
  private running: Promise<Entry<T>> | undefined;

  /** @param check must not reject: a failed check is also a result */
  constructor(
    private readonly clock: Clock,
    private readonly lifetimeMs: number,
    private readonly check: (input: string) => Promise<T>,
  ) {}

  /**
   * Returns the result, which is `cached` unless the caller is the first to get it.
   * @throws the signal's reason if it aborts first
   */
  async get(input: string, signal: AbortSignal): Promise<{ readonly result: T; readonly cached: boolean }> {
    signal.throwIfAborted();
    const entry = this.fresh ?? (await orAborted(this.join(input), signal));
    const cached = entry.taken;
    entry.taken = true;
    return { result: entry.result, cached };
  }

  private get fresh(): Entry<T> | undefined {
    return this.last && this.clock.now() < this.last.freshUntil ? this.last : undefined;
  }

  private join(input: string): Promise<Entry<T>> {
    this.running ??= this.run(input);
    return this.running;
  }

  private async run(input: string): Promise<Entry<T>> {
    try {
      const result = await this.check(input);
      this.last = { result, freshUntil: later(this.clock.now(), this.lifetimeMs), taken: false };
      return this.last;
    } finally {
      this.running = undefined;
    }
  }
}

function orAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

import { readdir } from 'node:fs/promises';
import { type Clock, count } from '@fnfleet/core';
import { NOTHING_CHECKED, type RunnerAbout, type RunnerStatus } from '@fnfleet/protocol';
import type { EngagementCounters } from './engagement-counters.js';
import type { RunnerLoad } from './runner-load.js';
import { StatusCache } from './status-cache.js';
import { STATUS_IDLE_SECONDS, type StatusImage, type StatusResult } from './status-image.js';

export interface StatusReporterOptions {
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

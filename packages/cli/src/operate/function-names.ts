import { type Clock, LONG_AGO, later, systemClock } from '@fnfleet/core';
import type { ApiClient } from '../api-client.js';

/** Lookups in parallel. */
const AT_ONCE = 8;
/** Maximum number of cached names; more functions than a screen ever shows. */
const MAX_KNOWN = 10_000;
/** Pause after a failed lookup, so that an unreachable API node does not delay every refresh. Milliseconds. */
const ASK_AGAIN_MS = 60_000;

/** Names of functions by their ids, as `<app>/<function>`. Each is looked up once. */
export class FunctionNames {
  /** Names by id; undefined if the API node does not know the function. */
  private readonly known = new Map<string, string | undefined>();
  private readonly apps = new Map<string, Promise<string | undefined>>();
  private askAgain = LONG_AGO;

  constructor(
    private readonly api: ApiClient,
    private readonly clock: Clock = systemClock,
  ) {}

  /** @returns names by id, without functions that are unknown or cannot be looked up now. Never throws */
  async of(ids: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (this.known.size > MAX_KNOWN) this.known.clear();
    const missing = ids.filter((id) => !this.known.has(id));
    try {
      for (let from = 0; from < missing.length && this.clock.now() >= this.askAgain; from += AT_ONCE) {
        await Promise.all(missing.slice(from, from + AT_ONCE).map((id) => this.lookUp(id)));
      }
    } catch {
      this.apps.clear();
      this.askAgain = later(this.clock.now(), ASK_AGAIN_MS);
    }
    return new Map(ids.flatMap((id) => (this.known.get(id) === undefined ? [] : [[id, this.known.get(id) ?? '']])));
  }

  private async lookUp(id: string): Promise<void> {
    const fn = await this.api.getFn(id);
    this.known.set(id, fn && `${(await this.appName(fn.app_id)) ?? '?'}/${fn.name}`);
  }

  private appName(id: string): Promise<string | undefined> {
    const asked = this.apps.get(id) ?? this.api.getApp(id).then((app) => app?.name);
    this.apps.set(id, asked);
    return asked;
  }
}

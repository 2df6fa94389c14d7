/** What would become of a call that came now: a guess, as is all that is known of runners. */
export interface Outlook {
  /** Runners that the pool has for it. */
  readonly runners: number;
  /** Those of them that nothing is known against: they have a hot container for it, or room for a new one. */
  readonly ready: number;
  /** Those of the ready that have a free hot container of its function. */
  readonly hot: number;
}

/** What would happen to a call that arrived now. It is an estimate, like everything that is known about runners. */
export interface Outlook {
  /** How many runners the pool has for it. */
  readonly runners: number;
  /** How many of them are eligible: they have a hot container for it, or room for a new one. */
  readonly ready: number;
  /** How many of those have a free hot container of its function. */
  readonly hot: number;
}

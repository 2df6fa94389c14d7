/** Something about this machine that an operator should know of. */
export interface Trouble {
  /** Calls fail for it, or soon will. Otherwise they only take longer. */
  readonly grave: boolean;
  readonly what: string;
  /** What to do. */
  readonly remedy: string;
}

/** A problem of this machine that an operator should know about. */
export interface Trouble {
  /** Whether calls fail because of it, or soon will. Otherwise they only take longer. */
  readonly grave: boolean;
  readonly what: string;
  /** What to do. */
  readonly remedy: string;
}

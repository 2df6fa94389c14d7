import type { AttemptOutcome } from '@fnfleet/protocol';

/** How a placement ended. */
export type PlacementOutcome =
  | Exclude<AttemptOutcome, { kind: 'refused' }>
  /** No runner took the call; nothing ran. */
  | { readonly kind: 'unplaced'; readonly error: Error };

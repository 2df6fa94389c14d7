import { bytes, durationMs, integer, MIB, type SettingsOf, text } from '@fnfleet/core';
import { placementSettings } from '@fnfleet/placement';

/** Settings of a load balancer, beside those of its HTTP port. */
export const lbSettings = {
  runnerApiUrl: text('FN_RUNNER_API_URL', {
    required: true,
    doc: 'The api node that functions are looked up at: scheme (http unless given), host and port.',
  }),
  ...placementSettings,
  executionHeadroomMs: durationMs('FN_EXECUTION_HEADROOM', {
    default: 360_000,
    doc: 'Added to the time to place a detached call and the timeout of its function; after all three it is given up.',
  }),
  replayBufferBytes: bytes('FN_REPLAY_BUFFER_BYTES', {
    default: 8 * MIB,
    doc: 'Bytes of a request body that are kept in case a runner refuses the call. A call that has sent more is not offered again.',
  }),
  clientStallMs: durationMs('FN_CLIENT_STALL_MSECS', {
    default: 60_000,
    doc: 'Time in which a client must take some of an answer that waits for it; then its connection is closed and its call ends.',
  }),
  explainCalls: integer('FN_EXPLAIN_CALLS', {
    default: 1000,
    min: 0,
    max: 1_000_000,
    doc: 'Calls that have ended of which GET /explain/:call_id can still tell; at most 16 MiB. 0: none, nor those under way.',
  }),
  requestIdHeader: text('FN_RID_HEADER', {
    default: '',
    doc: 'Request header with a name for the request, which then is in the logs of balancer and runner. A request without one gets one.',
  }),
} as const;

export type LbSettings = SettingsOf<typeof lbSettings>;

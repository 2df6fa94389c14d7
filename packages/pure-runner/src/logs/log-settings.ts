import { bytes, integer, MIB } from '@fnfleet/core';

export const logSettings = {
  logBufferBytes: bytes('FN_LOG_BUFFER_BYTES', {
    default: 4 * MIB,
    doc: 'Memory for the latest output of functions, which `fnfleet logs` shows first; and as much again for each log collector, which loses the oldest lines when it is slower than that.',
  }),
  maxLogCollectors: integer('FN_MAX_LOG_COLLECTORS', {
    default: 32,
    min: 0,
    doc: 'Log collectors that a runner serves at a time, `fnfleet logs` included.',
  }),
} as const;

import { bytes, integer, MIB } from '@fnfleet/core';

export const logSettings = {
  logBufferBytes: bytes('FN_LOG_BUFFER_BYTES', {
    default: 4 * MIB,
    doc: 'Memory for the latest output of functions, which `fnfleet logs` shows first. Each log collector has a buffer of the same size and loses its oldest lines when it is too slow.',
  }),
  maxLogCollectors: integer('FN_MAX_LOG_COLLECTORS', {
    default: 32,
    min: 0,
    doc: 'How many log collectors a runner serves at a time, including `fnfleet logs`.',
  }),
} as const;

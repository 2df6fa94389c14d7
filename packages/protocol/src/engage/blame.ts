import { CancelledError, FnError } from '@fnfleet/core';
import type { CallReport } from './messages.js';
import { GRPC_STATUS, type StreamEnd } from './stream.js';

/**
 * Who is to blame for a failed attempt. Only `runner` counts against the runner: it lost the stream, violated the protocol or
 * failed internally. `balancer`: this side failed, or the call ran out of time; it says nothing about the runner.
 */
export type AttemptBlame = 'caller' | 'function' | 'runner' | 'balancer';

/**
 * Whom a report blames. Our runners say so (`errorUser`). Runners of Fn send only code and text, and faults that a caller or a
 * function can cause there must not eject the runner: in doubt, they are to blame.
 */
export function blameOfReport({ errorCode, errorText, errorUser }: CallReport): AttemptBlame {
  if ((errorCode >= 400 && errorCode < 500) || errorCode === 501) return 'caller';
  if (errorUser || FUNCTIONS_WORDS.some((words) => errorText.includes(words))) return 'function';
  return BALANCERS_WORDS.some((words) => errorText.includes(words)) ? 'balancer' : 'runner';
}

/** Who is to blame for a stream that ended without a report. */
export function blameOfEnd({ code }: StreamEnd): AttemptBlame {
  // A message was larger than the other side accepts: its content comes from the function and the caller.
  if (code === GRPC_STATUS.RESOURCE_EXHAUSTED) return 'caller';
  return code === GRPC_STATUS.DEADLINE_EXCEEDED ? 'balancer' : 'runner';
}

/** Who is to blame for an error on this side. */
export function blameOfOwn(error: Error): AttemptBlame {
  if (error instanceof CancelledError) return 'caller';
  if (error instanceof FnError && error.blame !== 'platform') return error.blame;
  return 'balancer';
}

/**
 * Errors without `errorUser` that runners of Fn report for faults of a function: messages of the engine about an image, a command
 * or limits that it cannot run.
 */
const FUNCTIONS_WORDS = [
  'Failed to pull image',
  'API error (400)',
  'API error (404)',
  'invalid reference format',
  'inimum memory limit',
  'No command specified',
  'no command specified',
  'executable file not found',
  'exec format error',
  'no such file or directory: unknown',
  'permission denied: unknown',
];

/** Errors of runners of Fn that are caused by how the call was sent, or by its deadline. */
const BALANCERS_WORDS = [
  'context canceled',
  'context deadline exceeded',
  'Unable to service the request for the reservation period',
  'json: cannot unmarshal',
  'invalid character',
  'unexpected end of JSON input',
  'encoding/hex',
];

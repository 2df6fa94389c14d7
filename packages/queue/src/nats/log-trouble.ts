import { FnError } from '@fnfleet/core';
import { type DatabaseProblem, problemOf, translated } from '@fnfleet/sqlite';

/**
 * `setup`: only an operator can help. `unreachable`: no server answers. `standby`: another node leads, or none does yet.
 * `unconfirmed`: the change may or may not take effect. `refused`: the server does not take the change. `gap`: the log does
 * not begin where it should.
 */
export type LogTroubleKind = 'setup' | 'unreachable' | 'standby' | 'unconfirmed' | 'refused' | 'gap';

/** Something is wrong with the log of a queue, or with its server. */
export class LogTrouble extends Error {
  constructor(
    readonly kind: LogTroubleKind,
    message: string,
    options: { readonly cause?: unknown } = {},
  ) {
    super(message, options);
  }
}

interface LogProblem extends DatabaseProblem {
  readonly trouble?: LogTroubleKind;
}

/** Serializes an error for the process. */
export function logProblemOf(error: unknown): LogProblem {
  const trouble = error instanceof LogTrouble ? error.kind : undefined;
  return { ...problemOf(error), trouble };
}

const REASONS: Readonly<Record<'setup' | 'unreachable' | 'refused' | 'gap', string>> = {
  setup: 'its NATS server is not set up for it',
  unreachable: 'its NATS server cannot be reached',
  refused: 'its NATS server does not store more',
  gap: 'its log has a gap',
};

/** Translates a problem of the thread for clients. The cause says more to operators. @param shown the URL without secrets */
export function translatedLog(shown: string): (problem: DatabaseProblem) => Error {
  const ofFile = translated(`the local copy of ${shown}`, 'FN_MQ_URL');
  return (problem: LogProblem) => {
    const { trouble, message } = problem;
    if (trouble === undefined) return ofFile(problem);
    const cause = new Error(`FN_MQ_URL: ${shown}: ${message}`);
    if (trouble === 'standby') return new FnError('queueUnavailable', { cause });
    if (trouble === 'unconfirmed') return new FnError('databaseSlow', { cause });
    return new FnError('databaseFailed', { params: { reason: REASONS[trouble] }, cause });
  };
}

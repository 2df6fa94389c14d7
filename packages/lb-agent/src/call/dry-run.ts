import type { IncomingMessage } from 'node:http';
import type { Outlook } from '@fnfleet/placement';
import type { LbCall } from './lb-call.js';

/** Whether a request asks for a dry run, which checks a call without running it. `fn invoke --is-dry-run` sends it. */
export function isDryRun({ headers }: IncomingMessage): boolean {
  const asked = headers['is-dry-run'];
  if (asked === undefined) return false;
  // A repeated header arrives as a list. If in doubt, do not run the call.
  return String(asked)
    .split(',')
    .some((value) => value.trim().toLowerCase() === 'true');
}

/**
 * The response in JSON.
 * @param forOperator include the image and the state of the runners, which callers must not see
 */
export function dryRunAnswer({ model }: LbCall, fnName: string, outlook: Outlook, forOperator: boolean): string {
  const { appId, appName, fnId, image, type, memoryMb, timeoutSeconds } = model;
  const answer = {
    dry_run: true,
    would: wouldOf(outlook),
    type,
    app: { id: appId, name: appName },
    fn: { id: fnId, name: fnName, memory: memoryMb, timeout: timeoutSeconds, ...(forOperator && { image }) },
    ...(forOperator && { runners: outlook }),
  };
  return `${JSON.stringify(answer)}\n`;
}

function wouldOf({ runners, ready, hot }: Outlook): string {
  if (hot > 0) return 'use a hot container';
  if (ready > 0) return 'start a container';
  return runners > 0 ? 'wait for room' : 'wait for a runner';
}

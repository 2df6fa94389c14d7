import type { IncomingMessage } from 'node:http';
import type { Outlook } from '@fnfleet/placement';
import type { LbCall } from './lb-call.js';

/** What the caller wants is checked and told, and nothing runs. `fn invoke --is-dry-run` sends it. */
export function isDryRun({ headers }: IncomingMessage): boolean {
  // Sent twice, it comes as a list: a call that was not meant to run had better not.
  return String(headers['is-dry-run'] ?? '')
    .split(',')
    .some((value) => value.trim().toLowerCase() === 'true');
}

/**
 * The answer, in JSON.
 * @param forOperator also what image it is, and what is seen of the runners: that is no caller's business
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

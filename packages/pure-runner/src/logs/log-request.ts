import type { OutputLine } from '@fnfleet/agent';
import { flag, integer, type SettingsOf, type SettingsShape, text } from '@fnfleet/core';

/** The keys that a collector may send in the `config` of its `start`. Other keys are ignored. */
export const logRequestKeys = {
  fnId: text('fn_id', { doc: 'Only lines of this function.' }),
  appId: text('app_id', { doc: 'Only lines of functions of this app.' }),
  callId: text('call_id', { doc: 'Only lines of this call.' }),
  tail: integer('tail', {
    default: 0,
    min: 0,
    doc: 'How many of the latest lines that the runner still has are sent first.',
  }),
  since: integer('since', {
    min: 0,
    doc: 'Of those, only lines later than this time, in milliseconds since the epoch.',
  }),
  follow: flag('follow', { default: true, doc: 'Whether to continue with new lines as they are printed.' }),
} as const;

export type LogRequest = SettingsOf<typeof logRequestKeys>;

/** @throws SettingProblem that says what is wrong */
export function parseLogRequest(config: Readonly<Record<string, string>>): LogRequest {
  const shape: SettingsShape = logRequestKeys;
  const values = Object.entries(shape).map(([key, setting]) => {
    const value = config[setting.name]?.trim();
    return [key, value ? setting.parse(value) : setting.fallback()];
  });
  return Object.fromEntries(values) as LogRequest;
}

export function isWanted({ fnId, appId, callId }: LogRequest, line: OutputLine): boolean {
  return (
    (fnId === undefined || line.fnId === fnId) &&
    (appId === undefined || line.appId === appId) &&
    (callId === undefined || line.callId === callId)
  );
}

import { EXPLANATION, type Explanation, readJson } from '@fnfleet/operator-api';
import { messageIn, readAnswer } from './access/read-answer.js';
import { type Fetch, plainFetch } from './access/secure-fetch.js';

const TIMEOUT_MS = 5000;

/**
 * Queries one balancer after the other.
 * @throws Error when none of them knows the call
 */
export async function fetchExplanation(
  balancers: readonly string[],
  callId: string,
  fetch: Fetch = plainFetch,
): Promise<Explanation> {
  const answers: string[] = [];
  for (const url of balancers) {
    try {
      const answer = await readAnswer(fetch, `${url}/explain/${encodeURIComponent(callId)}`, { timeoutMs: TIMEOUT_MS });
      const explanation = answer.ok ? readJson<Explanation>(answer.body, EXPLANATION) : undefined;
      if (explanation !== undefined) return explanation;
      answers.push(
        `${url}: ${answer.ok ? 'its answer is not that of a balancer' : `${answer.status} ${messageIn(answer)}`}`,
      );
    } catch (error) {
      answers.push(`${url}: no answer (${(error as Error).message})`);
    }
  }
  throw new Error(`no balancer knows call ${callId} (set --lb or FN_LB_URL)\n  ${answers.join('\n  ')}`);
}

/** Whether a call can have output: it started, or a container was launched for it, which may have printed an error. */
export function mayHavePrinted({ events, omitted, on_runner: timings }: Explanation): boolean {
  if (omitted > 0 || events.some(({ event, text }) => event === 'said' && text === 'started')) return true;
  return timings !== undefined && (timings.container_create_ms > 0 || timings.executed_ms > 0);
}

type Event = Explanation['events'][number];

/**
 * Human-readable timeline of a call, with one line for each event.
 * @param name of the function and its app, if known
 */
export function formatTimeline(explanation: Explanation, name?: string): string[] {
  const { call_id, fn_id, app_id, trace_id, arrived_at, events, omitted, on_runner, state } = explanation;
  const trace = trace_id === undefined ? '' : `, trace ${trace_id}`;
  const called = name === undefined ? '' : ` (${name})`;
  const lines = [
    `call ${call_id} of function ${fn_id}${called}, app ${app_id}, ${arrived_at}${trace}`,
    line(0, 'arrived'),
  ];
  for (const [index, event] of events.entries()) lines.push(line(event.at_ms, tell(event, events.slice(0, index))));
  if (omitted > 0) lines.push(line(undefined, `${omitted} more events that were not kept`));
  if (on_runner) {
    for (const part of partsOf(on_runner)) lines.push(line(undefined, part));
  }
  if (state === 'under way') lines.push(line(undefined, 'still running'));
  else {
    const { ended_at_ms, error } = explanation;
    lines.push(line(ended_at_ms, state === 'answered' ? 'answered' : `failed: ${error}`));
    if (state === 'failed' && mayHavePrinted(explanation))
      lines.push(line(undefined, `its output: fnfleet logs ${fn_id} --no-follow`));
  }
  return lines;
}

function tell({ at_ms, event, runner, text = '' }: Event, before: readonly Event[]): string {
  const since = (name: Event['event']) => {
    const begun = before.findLast((earlier) => earlier.event === name && earlier.runner === runner);
    return begun === undefined ? '' : ` after ${ms(at_ms - begun.at_ms)}`;
  };
  switch (event) {
    case 'skipped':
      return `runner ${runner}: skipped, ${text}`;
    case 'offered':
      return `runner ${runner}: offered`;
    case 'said':
      return `runner ${runner}: ${text}${since('offered')}`;
    case 'queued':
      return 'queued: no runner can take it now';
    case 'woken':
      return `woken${since('queued')}: ${text}`;
    default: // of a newer balancer
      return [event, runner, text].filter(Boolean).join(' ');
  }
}

function partsOf(timings: NonNullable<Explanation['on_runner']>): string[] {
  const { waited_ms, image_pull_ms, container_prepare_ms, container_create_ms, container_init_ms, executed_ms } =
    timings;
  const container = [
    ['image pull', image_pull_ms],
    ['prepared', container_prepare_ms],
    ['created', container_create_ms],
    ['started', container_init_ms],
  ] as const;
  const launch = container.filter(([, took]) => took > 0).map(([what, took]) => `${what} ${ms(took)}`);
  return [
    `on the runner: waited ${ms(waited_ms)} for a container, executed ${ms(executed_ms)}`,
    ...(launch.length > 0 ? [`container launched for it: ${launch.join(', ')}`] : []),
  ];
}

function line(atMs: number | undefined, text: string): string {
  return `${(atMs === undefined ? '' : ms(atMs)).padStart(14)}  ${text}`;
}

function ms(value: number): string {
  return `${value.toFixed(1)} ms`;
}

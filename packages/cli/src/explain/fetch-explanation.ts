import type { Explanation } from '@fnfleet/lb-agent';
import { readJson, type Shape } from '../access/json-shape.js';
import { messageIn, readAnswer } from '../access/read-answer.js';
import { type Fetch, plainFetch } from '../access/secure-fetch.js';

const TIMEOUT_MS = 5000;

const TIMINGS: Shape = {
  fields: {
    waited_ms: 'number',
    image_pull_ms: 'number',
    container_prepare_ms: 'number',
    container_create_ms: 'number',
    container_init_ms: 'number',
    executed_ms: 'number',
  },
};
const EVENT: Shape = {
  fields: { at_ms: 'number', event: 'string', runner: { optional: 'string' }, text: { optional: 'string' } },
};
const EXPLANATION: Shape = {
  fields: {
    call_id: 'string',
    fn_id: 'string',
    app_id: 'string',
    trace_id: { optional: 'string' },
    arrived_at: 'string',
    state: 'string',
    error: { optional: 'string' },
    ended_at_ms: { optional: 'number' },
    events: { list: EVENT },
    omitted: 'number',
    on_runner: { optional: TIMINGS },
  },
};

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

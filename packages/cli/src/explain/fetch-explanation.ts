import { EXPLANATION, type Explanation, readJson } from '@fnfleet/operator-api';
import { messageIn, readAnswer } from '../access/read-answer.js';
import { type Fetch, plainFetch } from '../access/secure-fetch.js';

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

import type { Explanation } from '@fnfleet/lb-agent';
import type { Fetch } from '../access/secure-fetch.js';

const TIMEOUT_MS = 5000;

/**
 * Asks one balancer after the other.
 * @throws Error when none of them knows the call
 */
export async function fetchExplanation(
  balancers: readonly string[],
  callId: string,
  fetch: Fetch = globalThis.fetch,
): Promise<Explanation> {
  const answers: string[] = [];
  for (const url of balancers) {
    try {
      const response = await fetch(`${url}/explain/${encodeURIComponent(callId)}`, {
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      if (response.ok) return (await response.json()) as Explanation;
      const { message } = (await response.json().catch(() => ({}))) as { message?: string };
      answers.push(`${url}: ${response.status} ${message ?? response.statusText}`);
    } catch (error) {
      const { cause, message } = error as Error;
      answers.push(`${url}: no answer (${cause instanceof Error && cause.message ? cause.message : message})`);
    }
  }
  throw new Error(`nobody knows call ${callId} (--lb or FN_LB_URL says whom to ask)\n  ${answers.join('\n  ')}`);
}

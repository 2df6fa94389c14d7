import type { Explanation } from '@fnfleet/operator-api';
import { type FleetStatus, mergeFleetStatus } from '@fnfleet/placement';
import type { LbAgent } from '../lb-agent.js';

/** What an operator can ask of a balancer, and tell it. */
export interface LbOperations {
  /**
   * What it sees of its runners; undefined where it has none.
   * @param askMs asks every runner first, for so long at most, milliseconds; 0: does not
   */
  fleet(askMs: number): Promise<FleetStatus | undefined>;
  /** Offers a runner nothing any more, or does again. @returns false: there is no such runner */
  setCordoned(address: string, cordoned: boolean): Promise<boolean>;
  explain(callId: string): Promise<Explanation | undefined>;
}

/** Those of one process. */
export function operationsOf(
  agent: Pick<LbAgent, 'fleetStatus' | 'askRunners' | 'setCordoned' | 'explain'>,
): LbOperations {
  return {
    async fleet(askMs) {
      if (askMs > 0) await agent.askRunners(askMs);
      return agent.fleetStatus();
    },
    setCordoned: async (address, cordoned) => agent.setCordoned(address, cordoned),
    explain: async (callId) => agent.explain(callId),
  };
}

/** Something that is asked, and done, in every process of a balancer. */
export type LbQuestion =
  | { readonly ask: 'fleet'; readonly askMs: number }
  | { readonly ask: 'cordon'; readonly address: string; readonly cordoned: boolean }
  | { readonly ask: 'explain'; readonly callId: string };

/** The answer of one process. */
export function answerQuestion(operations: LbOperations, question: LbQuestion): Promise<unknown> {
  switch (question.ask) {
    case 'fleet':
      return operations.fleet(question.askMs);
    case 'cordon':
      return operations.setCordoned(question.address, question.cordoned);
    case 'explain':
      return operations.explain(question.callId);
  }
}

/**
 * Those of several processes that are one balancer.
 * @param askAll asks each of them; resolves with the answers that came in time, as `answerQuestion` gives them
 */
export function operationsOfGroup(askAll: (question: LbQuestion) => Promise<readonly unknown[]>): LbOperations {
  return {
    async fleet(askMs) {
      const answers = (await askAll({ ask: 'fleet', askMs })) as (FleetStatus | undefined)[];
      return mergeFleetStatus(answers.filter((status) => status !== undefined));
    },
    async setCordoned(address, cordoned) {
      const answers = await askAll({ ask: 'cordon', address, cordoned });
      return answers.some((known) => known === true);
    },
    async explain(callId) {
      const answers = (await askAll({ ask: 'explain', callId })) as (Explanation | undefined)[];
      return answers.find((explanation) => explanation !== undefined);
    },
  };
}

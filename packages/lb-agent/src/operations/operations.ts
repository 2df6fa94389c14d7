import type { Explanation } from '@fnfleet/operator-api';
import { type FleetStatus, mergeFleetStatus } from '@fnfleet/placement';
import type { LbAgent } from '../lb-agent.js';

/** The operations of a balancer that operators can request. */
export interface LbOperations {
  /**
   * The state of its runners; undefined if it has none.
   * @param askMs query every runner first, for at most this long in milliseconds; 0: do not
   */
  fleet(askMs: number): Promise<FleetStatus | undefined>;
  /** Cordons a runner, or lifts the cordon. @returns false if there is no such runner */
  setCordoned(address: string, cordoned: boolean): Promise<boolean>;
  explain(callId: string): Promise<Explanation | undefined>;
}

/** The operations of one process. */
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

/** A request that every process of a balancer executes. */
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
 * The operations of several processes that form one balancer.
 * @param askAll queries all processes; resolves with the answers of `answerQuestion` that arrived in time
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

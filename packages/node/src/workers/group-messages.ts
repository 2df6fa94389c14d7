/**
 * Messages between the processes of one balancer, through their parent:
 *
 *   worker ──ask──▶ primary ──do──▶ every worker
 *   worker ◀──all── primary ◀─done── every worker
 */
export type GroupMessage = Ask | Do | Done | All;

interface Ask {
  readonly group: 'ask';
  readonly id: number;
  readonly question: unknown;
}

export interface Do {
  readonly group: 'do';
  readonly id: number;
  readonly question: unknown;
}

interface Done {
  readonly group: 'done';
  readonly id: number;
  readonly answer: unknown;
}

interface All {
  readonly group: 'all';
  readonly id: number;
  readonly answers: readonly unknown[];
}

export function isGroupMessage(message: unknown): message is GroupMessage {
  return typeof message === 'object' && message !== null && 'group' in message;
}

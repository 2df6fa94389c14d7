import type { CallResult } from './caller.js';

const EXAMPLES = 20;

/** What became of the calls of one kind. */
export interface KindTally {
  readonly name: string;
  calls: number;
  wrong: number;
  readonly tookMs: number[];
}

/** Counts how calls ended, by kind, and keeps some that ended wrongly. */
export class Tally {
  private readonly kinds = new Map<string, KindTally>();
  readonly examples: string[] = [];

  /** @returns in words what is wrong with it, if anything is */
  add({ call, tookMs, wrong }: CallResult): string | undefined {
    const { name } = call.kind;
    const kind = this.kinds.get(name) ?? { name, calls: 0, wrong: 0, tookMs: [] };
    this.kinds.set(name, kind);
    kind.calls += 1;
    kind.tookMs.push(tookMs);
    if (wrong === undefined) return undefined;
    kind.wrong += 1;
    const example = `${name} ${call.label} of ${call.fn.name}: ${wrong}`;
    if (this.examples.length < EXAMPLES) this.examples.push(example);
    return example;
  }

  get calls(): number {
    return this.sum(({ calls }) => calls);
  }

  get wrong(): number {
    return this.sum(({ wrong }) => wrong);
  }

  /** The most frequent first. */
  get byKind(): readonly KindTally[] {
    return [...this.kinds.values()].sort((a, b) => b.calls - a.calls);
  }

  private sum(of: (kind: KindTally) => number): number {
    return [...this.kinds.values()].reduce((sum, kind) => sum + of(kind), 0);
  }
}

/** @param part from 0 to 1 */
export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

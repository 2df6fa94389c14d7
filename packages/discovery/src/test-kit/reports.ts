import { isDeepStrictEqual } from 'node:util';
import type { MembershipListener } from '../membership.js';

export type Report = readonly string[] | Error;

/** Hears a source and lets a test wait for what it says. */
export class Reports implements MembershipListener {
  /** Everything that was said, in order. */
  readonly all: Report[] = [];
  private waiting: (() => void)[] = [];
  private taken = 0;

  onMembers(addresses: readonly string[]): void {
    this.add([...addresses]);
  }

  onFailure(error: Error): void {
    this.add(error);
  }

  /** The list with exactly these addresses; what came before it is skipped. */
  async listed(...addresses: string[]): Promise<void> {
    await this.next((report) => isDeepStrictEqual(report, addresses));
  }

  /** The next failure; lists before it are skipped. */
  async failed(): Promise<string> {
    const report = await this.next((one) => one instanceof Error);
    return (report as Error).message;
  }

  /** The next report, whatever it says, that nobody has waited for yet. */
  async next(fits: (report: Report) => boolean = () => true): Promise<Report> {
    for (;;) {
      while (this.taken < this.all.length) {
        const report = this.all[this.taken++];
        if (report !== undefined && fits(report)) return report;
      }
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  private add(report: Report): void {
    this.all.push(report);
    for (const wake of this.waiting.splice(0)) wake();
  }
}

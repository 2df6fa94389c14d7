import { isDeepStrictEqual } from 'node:util';
import type { MembershipListener } from '../membership.js';

export type Report = readonly string[] | Error;

/** Records the reports of a source, so that a test can wait for them. */
export class Reports implements MembershipListener {
  /** All reports, in order. */
  readonly all: Report[] = [];
  private waiting: (() => void)[] = [];
  private taken = 0;

  onMembers(addresses: readonly string[]): void {
    this.add([...addresses]);
  }

  onFailure(error: Error): void {
    this.add(error);
  }

  /** The list with exactly these addresses; earlier reports are skipped. */
  async listed(...addresses: string[]): Promise<void> {
    await this.next((report) => isDeepStrictEqual(report, addresses));
  }

  /** The next failure; earlier lists are skipped. */
  async failed(): Promise<string> {
    const report = await this.next((one) => one instanceof Error);
    return (report as Error).message;
  }

  /** The next report of any kind that was not awaited yet. */
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

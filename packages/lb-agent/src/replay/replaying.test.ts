import { PassThrough } from 'node:stream';
import { FakeClock, FnError } from '@fnfleet/core';
import type { BodyReader } from '@fnfleet/protocol';
import fc from 'fast-check';
import { FakeDisk } from '../test-kit/fake-disk.js';
import { ReplayBudget } from './replay-budget.js';
import { ReplayBuffer } from './replay-buffer.js';

/** What happens to one of two bodies that share a budget. */
type Step = { readonly who: 0 | 1 } & (
  | { readonly does: 'arrive' | 'read'; readonly amount: number }
  | { readonly does: 'startOver' | 'refuse' | 'commit' | 'pass' }
);

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      who: fc.constantFrom(0, 1),
      does: fc.constantFrom('arrive' as const, 'read' as const),
      amount: fc.integer({ min: 1, max: 400 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      who: fc.constantFrom(0, 1),
      does: fc.constantFrom('startOver' as const, 'refuse' as const, 'pass' as const),
    }),
  },
  { weight: 1, arbitrary: fc.record({ who: fc.constantFrom(0, 1), does: fc.constant('commit' as const) }) },
);

const seldom = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 3 });

const world = fc.record({
  lengths: fc.tuple(fc.nat({ max: 3_000 }), fc.nat({ max: 3_000 })),
  declared: fc.boolean(),
  keepBytes: fc.nat({ max: 1_500 }),
  memoryBytes: fc.constantFrom(0, 300, 1_000, 100_000),
  diskBytes: fc.constantFrom(0, 500, 100_000),
  pieceBytes: fc.integer({ min: 1, max: 200 }),
  faults: fc.record({
    opens: fc.constantFrom(false, false, false, true),
    writesFrom: seldom(fc.integer({ min: 1, max: 20 })),
    readsFrom: seldom(fc.integer({ min: 1, max: 20 })),
    shortBytes: seldom(fc.integer({ min: 1, max: 50 })),
  }),
  steps: fc.array(step, { maxLength: 60 }),
});

it('whatever happens, every attempt gets the body from its first byte, and nothing leaks', async () => {
  await fc.assert(
    fc.asyncProperty(world, async ({ lengths, declared, keepBytes, faults, steps, ...limits }) => {
      const disk = new FakeDisk(faults);
      const clock = new FakeClock();
      const budget = new ReplayBudget({ ...limits, openFile: disk.open, clock });
      const uploads = lengths.map((length) => new Upload(length, declared, keepBytes, budget));
      const fits = () => {
        expect(budget.memoryBytes).toBeLessThanOrEqual(limits.memoryBytes);
        expect(budget.diskBytes).toBeLessThanOrEqual(limits.diskBytes);
      };
      for (const next of steps) {
        uploads[next.who]?.take(next);
        if (next.does === 'pass') await turn();
        fits();
      }
      for (const upload of uploads) {
        await upload.finish();
        fits();
      }
      await budget.whenIdle(Number.POSITIVE_INFINITY);
      expect([budget.memoryBytes, budget.diskBytes, budget.openFiles, disk.openHandles]).toEqual([0, 0, 0, 0]);
      expect(clock.pendingTimers).toBe(0);
      const { memoryBytes, diskBytes } = limits;
      const roomy =
        memoryBytes === 100_000 && diskBytes === 100_000 && !faults.opens && faults.writesFrom === undefined;
      if (roomy) expect(uploads.some((upload) => upload.lostAChance)).toBe(false);
      if (faults.readsFrom === undefined) expect(uploads.some((upload) => upload.failed)).toBe(false);
    }),
    { numRuns: 300 },
  );
});

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

class Upload {
  /** The body could not be sent again before anybody had committed it. */
  lostAChance = false;
  /** The disk did not give back what it had taken. */
  failed = false;
  private readonly bytes: Buffer;
  private readonly source = new PassThrough();
  private readonly body: ReplayBuffer;
  private reader: BodyReader | undefined;
  private readBytes = 0;
  private sentBytes = 0;
  private sawLast = false;
  /** The reader has been told that there may be something. */
  private woken = false;
  private committed = false;
  private released = 0;

  constructor(length: number, declared: boolean, keepBytes: number, budget: ReplayBudget) {
    this.bytes = Buffer.from(Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) % 256));
    const limits = { keepBytes, maxBytes: 0, budget };
    this.body = new ReplayBuffer(this.source, declared ? length : undefined, limits, () => {
      this.released += 1;
    });
    this.startOver();
  }

  take(step: Step): void {
    if (step.does === 'arrive') this.arrive(step.amount);
    else if (step.does === 'read') this.read(step.amount);
    else if (step.does === 'startOver') this.startOver();
    else if (step.does === 'refuse') this.close();
    else if (step.does === 'commit') this.commit();
  }

  /** The rest arrives; this attempt gets all of it, and one more if there can be one. */
  async finish(): Promise<void> {
    this.arrive(this.bytes.length);
    this.source.end();
    if (this.reader === undefined) this.startOver();
    await this.readToEnd();
    this.startOver();
    await this.readToEnd();
    this.close();
    this.commit();
    expect(this.released).toBe(1);
    this.source.destroy();
  }

  /** Looks for more only when it has been told that there is. */
  private async readToEnd(): Promise<void> {
    this.woken = true;
    for (let turns = 0; this.reader !== undefined && !this.sawLast; turns += 1) {
      if (this.woken) this.read(Number.POSITIVE_INFINITY);
      if (turns > 20_000) throw new Error(`stuck after ${this.readBytes} of ${this.bytes.length} bytes`);
      await turn();
    }
    if (this.sawLast) expect(this.readBytes).toBe(this.bytes.length);
  }

  private arrive(amount: number): void {
    const chunk = this.bytes.subarray(this.sentBytes, this.sentBytes + amount);
    this.sentBytes += chunk.length;
    if (chunk.length > 0) this.source.write(chunk);
  }

  private read(amount: number): void {
    this.woken = false;
    for (let got = 0; got < amount && this.reader !== undefined && !this.sawLast; ) {
      const piece = this.readPiece(this.reader);
      if (piece === undefined) return;
      const expected = this.bytes.subarray(this.readBytes, this.readBytes + piece.data.length);
      expect(piece.data.equals(expected)).toBe(true);
      this.readBytes += piece.data.length;
      this.sawLast = piece.last;
      got += piece.data.length;
    }
  }

  private readPiece(reader: BodyReader) {
    try {
      return reader.read();
    } catch (error) {
      expect(error).toBeInstanceOf(FnError);
      this.failed = true;
      this.close();
      return undefined;
    }
  }

  private startOver(): void {
    if (!this.body.replayable) return;
    this.reader = this.body.open();
    this.reader.onReadable = () => {
      this.woken = true;
    };
    this.readBytes = 0;
    this.sawLast = false;
  }

  private close(): void {
    this.reader?.close();
    this.reader = undefined;
  }

  private commit(): void {
    this.lostAChance ||= !this.committed && !this.body.replayable;
    this.committed = true;
    this.body.commit();
  }
}

import { DAY_MS, type TestedQueue } from '../tested-queue.js';

/** What one function may occupy of a queue. */
export function describeRoomForOthers(tested: TestedQueue): void {
  const { push, reserve, advance, passFourMinutes, reopen } = tested;

  describe('a function that fills the queue', () => {
    const filled = async (fnId: string, body: Buffer) => {
      for (let n = 0; n < 1_000; n += 1) {
        const refusal = await push({ fnId, body }).then(
          () => undefined,
          (error: unknown) => error,
        );
        if (refusal !== undefined) return { accepted: n, refusal };
      }
      throw new Error('it is never full');
    };

    it.each`
      of         | bounds                             | size
      ${'calls'} | ${{ maxMessages: 50 }}             | ${10}
      ${'bytes'} | ${{ maxBytes: 4 * 1_024 * 1_024 }} | ${64 * 1_024}
    `('leaves $of for others, also when its calls are dead letters', async ({ bounds, size }) => {
      await reopen(bounds);
      const { accepted, refusal } = await filled('busy', Buffer.alloc(size));
      expect(refusal).toMatchObject({
        code: 'queueShareFull',
        message: expect.stringContaining('keeps room for others'),
      });
      await push({ fnId: 'quiet', body: Buffer.alloc(size) });
      await expect(push({ fnId: 'busy' })).rejects.toMatchObject({ code: 'queueShareFull' });
      const deliveries = await reserve({ limit: accepted });
      for (const { lease } of deliveries) await tested.queue.bury(lease, { code: 'functionFailed', message: '' });
      await expect(push({ fnId: 'busy' })).rejects.toMatchObject({ code: 'queueShareFull' });
      await push({ fnId: 'quiet', body: Buffer.alloc(size) });
    });

    it('leaves idempotency keys for others, also after a restart, and gets them back after a day', async () => {
      await reopen({ maxKeys: 18 });
      const withKey = (fnId: string, idempotencyKey: string) => push({ fnId, idempotencyKey });
      for (let n = 0; n < 16; n += 1) await withKey('busy', `${n}`);
      await advance(1);
      await withKey('busy', 'the last');
      await reopen();
      const refused = { code: 'queueShareFull', message: expect.stringContaining('keeps room for others') };
      await expect(withKey('busy', 'one too many')).rejects.toMatchObject(refused);
      await push({ fnId: 'busy' });
      await withKey('busy', 'the last');
      await withKey('quiet', 'its first');
      const all = { code: 'queueFull', message: expect.stringContaining('18 idempotency keys') };
      await expect(withKey('another', 'its first')).rejects.toMatchObject(all);

      await advance(DAY_MS);
      await passFourMinutes();
      for (let n = 0; n < 16; n += 1) await withKey('busy', `${n}`);
      await withKey('another', 'its first');
      await expect(withKey('busy', 'one too many')).rejects.toMatchObject(refused);
      await withKey('quiet', 'its first');
    });
  });
}

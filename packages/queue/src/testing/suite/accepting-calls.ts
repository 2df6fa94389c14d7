import { CRASHED, DAY_MS, ids, LEASE_MS, SUCCESS, type TestedQueue } from '../tested-queue.js';

/** What a queue accepts, once, and what it refuses. */
export function describeAcceptingCalls(tested: TestedQueue): void {
  const { push, reserve, one, advance, reopen } = tested;

  describe('accepting calls', () => {
    it('delivers what was pushed, once', async () => {
      const body = Buffer.from([0, 255, 10]);
      const callId = await push({ fnId: 'other', head: '{"a":1}', body, priority: 2 });
      await advance(1_500);
      const [delivery, ...more] = await reserve({ limit: 10 });
      expect(more).toEqual([]);
      expect(delivery).toMatchObject({ fnId: 'other', head: '{"a":1}', attempt: 1, priority: 2, ageMs: 1_500 });
      expect(delivery?.lease.callId).toBe(callId);
      expect(Buffer.from(delivery?.body ?? [])).toEqual(body);
      expect(await reserve()).toEqual([]);
    });

    it('accepts a repeated push without a second call', async () => {
      const callId = await push();
      await push({ callId });
      await tested.queue.complete((await one()).lease, SUCCESS);
      await push({ callId });
      expect(await reserve()).toEqual([]);
    });

    it('answers an idempotency key with the call that had it, per function, for a day', async () => {
      const message = { fnId: 'f', head: '', body: Buffer.alloc(0), idempotencyKey: 'order-1' };
      expect(await tested.queue.push({ ...message, callId: 'a' })).toEqual({ callId: 'a', duplicate: false });
      expect(await tested.queue.push({ ...message, callId: 'b' })).toEqual({ callId: 'a', duplicate: true });
      expect(await tested.queue.push({ ...message, callId: 'c', fnId: 'g' })).toEqual({
        callId: 'c',
        duplicate: false,
      });
      await tested.queue.complete((await one()).lease, SUCCESS);
      await reopen();
      await advance(DAY_MS - 1);
      expect(await tested.queue.push({ ...message, callId: 'd' })).toEqual({ callId: 'a', duplicate: true });
      await advance(1);
      expect(await tested.queue.push({ ...message, callId: 'e' })).toEqual({ callId: 'e', duplicate: false });
    });

    it('copies the body: its buffer may be used again', async () => {
      const body = Buffer.from('first');
      const accepted = push({ body });
      body.write('other');
      await accepted;
      expect(Buffer.from((await one()).body).toString()).toBe('first');
    });

    it.each`
      what                             | bounds                 | message                                | code
      ${'a body over the limit'}       | ${{ maxBodyBytes: 8 }} | ${{ body: Buffer.alloc(9) }}           | ${'queueMessageTooBig'}
      ${'headers over the limit'}      | ${{ maxHeadBytes: 8 }} | ${{ head: '123456789' }}               | ${'queueMessageTooBig'}
      ${'a long idempotency key'}      | ${{}}                  | ${{ idempotencyKey: 'x'.repeat(257) }} | ${'queueMessageTooBig'}
      ${'a call too many'}             | ${{ maxMessages: 2 }}  | ${{}}                                  | ${'queueFull'}
      ${'an idempotency key too many'} | ${{ maxKeys: 0 }}      | ${{ idempotencyKey: 'x' }}             | ${'queueFull'}
      ${'more bytes than it may have'} | ${{ maxBytes: 1 }}     | ${{}}                                  | ${'queueFull'}
    `('refuses $what, and works on', async ({ bounds, message, code }) => {
      await push();
      await push();
      await reopen(bounds);
      await expect(push(message)).rejects.toMatchObject({ code });
      const deliveries = await reserve({ limit: 10 });
      expect(deliveries).toHaveLength(2);
      for (const { lease } of deliveries)
        expect(await tested.queue.complete(lease, SUCCESS)).toEqual({ kind: 'completed' });
      expect((await tested.queue.stats()).running).toBe(0);
    });
  });

  describe.each`
    what                     | text
    ${'a character of zero'} | ${'a\0b'}
    ${'half of a character'} | ${'a\ud800b'}
  `('$what', ({ text }) => {
    it('is in no id of a call: nothing is found, and others that are asked at the same time are answered', async () => {
      await push();
      const delivery = await one();
      const lease = { callId: text, token: text };
      const lost = { kind: 'leaseLost', because: 'unknown' };
      const asked = [
        ...[
          tested.queue.extend(lease, LEASE_MS),
          tested.queue.complete(lease, SUCCESS),
          tested.queue.retry(lease, CRASHED),
        ],
        ...[
          tested.queue.giveBack(lease),
          tested.queue.bury(lease, { code: 'x', message: text }),
          tested.queue.cancel(text),
        ],
        tested.queue.complete(delivery.lease, SUCCESS),
      ];
      expect(await Promise.all(asked)).toEqual([...Array(5).fill(lost), { kind: 'notFound' }, { kind: 'completed' }]);
      expect([await tested.queue.redrive({ callId: text }), await tested.queue.purge({ callId: text })]).toEqual([
        0, 0,
      ]);
    });

    it.each(['callId', 'fnId', 'idempotencyKey'])(
      'is refused as a part of %s, which nobody could look up',
      async (name) => {
        const refused = { code: 'databaseTextInvalid', status: 400 };
        await expect(push({ [name]: text })).rejects.toMatchObject(refused);
        const callId = await push();
        expect(ids(await reserve({ limit: 10 }))).toEqual([callId]);
      },
    );
  });
}

import type { BatchAnswer, Operation, OperationResult } from '../operations.js';
import { packAnswer, packBatch, unpackAnswer, unpackBatch } from './packed-batch.js';

const lease = { callId: 'c1', token: 't-1' };
const time = { at: 5, wall: 1_700_000_000_000 };
/** A part of a larger piece of memory, which must not travel. */
const body = Buffer.from('not this: body').subarray(10);
const bytes = (text: string) => new Uint8Array(Buffer.from(text));

describe('batches that travel between a process and the thread of its queue', () => {
  const operations: readonly Operation[] = [
    { kind: 'complete', lease, result: { head: '{"ü":"€😀"}', body, log: 'said "this"\n' }, bodyBytes: 9_000 },
    { kind: 'reserve', request: { holder: 'lb', limit: 2, leaseMs: 1_000, held: new Map([['f', 1]]) } },
    { kind: 'push', message: { callId: 'c2', fnId: 'f', head: '', body: bytes(''), limits: { concurrency: 2 } } },
    { kind: 'extend', lease, leaseMs: 1_000 },
    { kind: 'push', message: { callId: 'c3', fnId: 'f', head: 'head', body, priority: 2 } },
    { kind: 'reserve', request: { holder: 'other', limit: 1, leaseMs: 1_000 } },
  ];
  const batch = { kind: 'batch', operations, time } as const;

  it('have the same operations in the same order, and only the bytes of their calls', () => {
    const packed = packBatch(batch);
    expect(packed.memory.byteLength).toBe(Buffer.byteLength('{"ü":"€😀"}head') + 2 * body.length);
    const arrived = unpackBatch(structuredClone(packed, { transfer: [packed.memory] }));
    expect(arrived).toEqual({
      ...batch,
      operations: [
        { ...operations[0], result: { head: '{"ü":"€😀"}', body: bytes('body'), log: 'said "this"\n' } },
        ...operations.slice(1, 4),
        { kind: 'push', message: { callId: 'c3', fnId: 'f', head: 'head', body: bytes('body'), priority: 2 } },
        operations[5],
      ],
    });
  });

  it('are answered alike, whether with calls or without, refused or failed', () => {
    const delivery = { lease, fnId: 'f', attempt: 1, priority: 0 as const, ageMs: 7, head: 'ü', body: bytes('1') };
    const answer: BatchAnswer = {
      results: [
        { kind: 'done', answer: { kind: 'completed' } },
        { kind: 'done', answer: [delivery, { ...delivery, attempt: 2, head: '', body: bytes('22') }] },
        { kind: 'refused', code: 'queueFull', params: { what: 'it has 3 calls' } },
        { kind: 'done', answer: { kind: 'leaseLost', because: 'expired' } },
        { kind: 'failed', problem: { message: 'disk I/O error', errcode: 10 } },
        { kind: 'done', answer: [{ ...delivery, head: 'other', body: bytes('333') }] },
      ],
      ready: true,
      ended: [{ callId: 'c1', state: 'success' }],
      nextAt: 7,
    };
    const packed = packAnswer(batch, answer);
    expect(unpackAnswer(structuredClone(packed, { transfer: [packed.memory] }))).toEqual(answer);
    const [, reserve] = operations;
    for (const result of [{ kind: 'done', answer: [] }, answer.results[2], answer.results[4]] as const) {
      const none = { ...answer, results: [result as OperationResult] };
      expect(unpackAnswer(packAnswer({ ...batch, operations: [reserve as Operation] }, none))).toEqual(none);
    }
  });
});

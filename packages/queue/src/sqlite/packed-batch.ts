import type { CallResult, Delivery, NewMessage, Payload } from '../message-queue.js';
import type { BatchAnswer, Operation, OperationOf, OperationResult, ThreadRequest } from '../operations.js';

/*
 * How a batch travels between a process and the thread of its queue. V8 copies each object and each body by itself, which takes as long as the
 * statements of SQLite. So the heads and bodies of calls and results share a piece of memory, which is handed over and not copied, and the
 * objects around them are JSON. Operations and answers that are rare are left to V8.
 */

type Batch = Extract<ThreadRequest, { readonly kind: 'batch' }>;

/** Lengths in place of head and body, which are in the memory one after the other. */
type Lengths<T extends Payload> = Omit<T, 'head' | 'body'> & { readonly head: number; readonly body: number };
type PackedOperation =
  | { readonly kind: 'push'; readonly message: Lengths<NewMessage> }
  | (Omit<OperationOf<'complete'>, 'result'> & { readonly result: Lengths<CallResult> });

/** Undefined stands for the next one in the JSON. */
export interface PackedBatch {
  readonly kind: 'packed';
  readonly time: Batch['time'];
  readonly operations: readonly (Operation | undefined)[];
  readonly json: string;
  readonly memory: ArrayBuffer;
}

/** Undefined stands for the next list of calls in the JSON. */
export interface PackedAnswer extends Pick<BatchAnswer, 'ready' | 'nextAt'> {
  readonly results: readonly (OperationResult | 'completed' | undefined)[];
  readonly json: string;
  readonly memory: ArrayBuffer;
}

interface AnswerJson {
  readonly deliveries: readonly (readonly Lengths<Delivery>[])[];
  readonly ended: BatchAnswer['ended'];
}

export function packBatch({ operations, time }: Batch): PackedBatch {
  const memory = new Packer();
  const packed: PackedOperation[] = [];
  const others = operations.map((operation) => {
    if (operation.kind === 'push') packed.push({ kind: 'push', message: memory.add(operation.message) });
    else if (operation.kind === 'complete') packed.push({ ...operation, result: memory.add(operation.result) });
    else return operation;
    return undefined;
  });
  return { kind: 'packed', time, operations: others, json: JSON.stringify(packed), memory: memory.pack() };
}

export function unpackBatch({ operations, time, json, memory }: PackedBatch): Batch {
  const contents = new Unpacker(memory);
  const packed = (JSON.parse(json) as PackedOperation[]).map((operation): Operation => {
    if (operation.kind === 'push') return { ...operation, message: contents.take(operation.message) };
    return { ...operation, result: contents.take(operation.result) };
  });
  let taken = 0;
  const next = () => packed[taken++] as Operation;
  return { kind: 'batch', operations: operations.map((operation) => operation ?? next()), time };
}

export function packAnswer({ operations }: Batch, { results, ready, ended, nextAt }: BatchAnswer): PackedAnswer {
  const memory = new Packer();
  const deliveries: Lengths<Delivery>[][] = [];
  const others = results.map((result, at) => {
    if (result.kind !== 'done') return result;
    if (operations[at]?.kind === 'reserve') {
      deliveries.push((result.answer as readonly Delivery[]).map((delivery) => memory.add(delivery)));
      return undefined;
    }
    return (result.answer as { readonly kind?: unknown } | undefined)?.kind === 'completed' ? 'completed' : result;
  });
  const json = JSON.stringify({ deliveries, ended } satisfies AnswerJson);
  return { results: others, ready, nextAt, json, memory: memory.pack() };
}

export function unpackAnswer({ results, ready, nextAt, json, memory }: PackedAnswer): BatchAnswer {
  const contents = new Unpacker(memory);
  const { deliveries, ended } = JSON.parse(json) as AnswerJson;
  let taken = 0;
  const unpacked = results.map((result): OperationResult => {
    if (result === 'completed') return { kind: 'done', answer: { kind: 'completed' } };
    if (result !== undefined) return result;
    return { kind: 'done', answer: deliveries[taken++]?.map((delivery) => contents.take(delivery)) };
  });
  return { results: unpacked, ready, ended, nextAt };
}

/** Puts heads and bodies into one piece of memory. */
class Packer {
  private readonly parts: Payload[] = [];
  private size = 0;

  add<T extends Payload>(payload: T): Lengths<T> {
    const head = Buffer.byteLength(payload.head);
    const body = payload.body.length;
    this.parts.push(payload);
    this.size += head + body;
    return { ...payload, head, body };
  }

  pack(): ArrayBuffer {
    const memory = new ArrayBuffer(this.size);
    const bytes = Buffer.from(memory);
    let at = 0;
    for (const { head, body } of this.parts) {
      at += bytes.write(head, at);
      bytes.set(body, at);
      at += body.length;
    }
    return memory;
  }
}

/** Takes them out again in the same order. Bodies share the memory. */
class Unpacker {
  private readonly bytes: Buffer;
  private at = 0;

  constructor(private readonly memory: ArrayBuffer) {
    this.bytes = Buffer.from(memory);
  }

  take<T extends Payload>(lengths: Lengths<T>): T {
    const bodyAt = this.at + lengths.head;
    const head = this.bytes.toString('utf8', this.at, bodyAt);
    const body = new Uint8Array(this.memory, bodyAt, lengths.body);
    this.at = bodyAt + lengths.body;
    return { ...lengths, head, body } as unknown as T;
  }
}

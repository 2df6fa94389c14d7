import { once } from 'node:events';
import type { ResponseWriter } from '@fnfleet/core';
import {
  type AttemptOutcome,
  type ClientMessage,
  type ClientStream,
  type ClientStreamHandler,
  NOTHING_REPORTED,
  offerCall,
  type RunnerMessage,
  RunnerSession,
  type StreamEnd,
} from '@fnfleet/protocol';
import { anOutboundCall, FixedBody, within } from '@fnfleet/testing';
import fc from 'fast-check';
import { bytes } from '../byte-arbitraries.js';
import { runnerMessage } from '../http2-arbitraries.js';
import type { FuzzTarget, OpenTarget } from '../target.js';

type Event =
  | { readonly what: 'message'; readonly message: RunnerMessage }
  | { readonly what: 'writable' }
  | { readonly what: 'abort' }
  | { readonly what: 'end'; readonly end: StreamEnd };

const end: fc.Arbitrary<StreamEnd> = fc.record({
  code: fc.oneof(fc.constantFrom(0, 1, 2, 13, 14, 503), fc.nat(20)),
  details: fc.string({ maxLength: 10 }),
  mayHaveArrived: fc.boolean(),
  startAckMode: fc.constantFrom('none' as const, 'announced' as const, 'confirmed' as const),
  lost: fc.constantFrom(undefined, 'allDataRead' as const, 'unsure' as const),
});

const events: fc.Arbitrary<readonly Event[]> = fc
  .tuple(
    fc.array(
      fc.oneof(
        { weight: 8, arbitrary: runnerMessage.map((message): Event => ({ what: 'message', message })) },
        fc.constantFrom<Event>({ what: 'writable' }, { what: 'abort' }),
        end.map((given): Event => ({ what: 'end', end: given })),
      ),
      { maxLength: 8 },
    ),
    end,
  )
  .map(([some, last]) => [...some, { what: 'end', end: last }]);

/** What a writer has been asked, in order. */
class WriterLog implements ResponseWriter {
  readonly asked: string[] = [];
  writeHead(): void {
    this.asked.push('head');
  }
  write(): boolean {
    this.asked.push('write');
    return true;
  }
  onDrain(callback: () => void): void {
    callback();
  }
}

/** The balancer's side of an engagement: whatever comes, there is one outcome, and it says the truth. */
const balancerSide = fc.asyncProperty(events, async (all) => {
  const writer = new WriterLog();
  const body = new FixedBody(Buffer.from('hello'));
  const abort = new AbortController();
  let handler: ClientStreamHandler | undefined;
  const stream: ClientStream = {
    send: () => true,
    pause: () => undefined,
    resume: () => undefined,
    halfClose: () => undefined,
    cancel: () => undefined,
    release: () => undefined,
  };
  const channel = {
    address: 'r1:9190',
    engage: (_options: unknown, given: ClientStreamHandler) => {
      handler = given;
      return stream;
    },
  };
  const outcomes: AttemptOutcome[] = [];
  const offered = offerCall({ ...anOutboundCall(), body, response: writer }, channel, abort.signal);
  void offered.then((outcome) => outcomes.push(outcome));
  let ended = false;
  let started = false;
  for (const event of all) {
    // A transport delivers nothing after the end.
    if (ended) break;
    if (event.what === 'message') {
      handler?.onMessage(event.message);
      started ||= event.message.kind === 'started';
    } else if (event.what === 'writable') handler?.onWritable();
    else if (event.what === 'abort') abort.abort();
    else {
      ended = true;
      handler?.onEnd(event.end);
    }
  }
  const outcome = await within(5_000, 'an outcome', offered);
  const [first, ...rest] = writer.asked;
  if (first !== undefined && first !== 'head') throw new Error('bytes before a head');
  if (rest.includes('head')) throw new Error('two heads');
  if (outcome.kind === 'refused' && writer.asked.length > 0)
    throw new Error('refused, though the caller has seen something');
  if (outcome.kind === 'refused' && started && outcome.reason !== 'busy')
    throw new Error(`refused as ${outcome.reason} after it started`);
  if (outcome.kind === 'finished' && !outcome.report.success) throw new Error('finished without success');
  if (body.openReaders !== 0) throw new Error('a reader of the body is left open');
});

const clientMessage: fc.Arbitrary<ClientMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('try' as const),
    callJson: fc.string(),
    slotHash: fc.string({ maxLength: 4 }),
    extensions: fc.constant({}),
  }),
  fc.record({ kind: fc.constant('data' as const), data: bytes(64), eof: fc.boolean() }),
  fc.constant({ kind: 'unknown' as const }),
);
const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: clientMessage },
    fc.constantFrom('halfClose' as const, 'cancelled' as const, 'writable' as const, 'runs' as const),
  ),
  { maxLength: 10 },
);

/** The runner's side: at most one end, nothing after it, and the call is told when nobody wants it. */
const runnerSide = fc.asyncProperty(steps, async (all) => {
  const sent: string[] = [];
  let signal: AbortSignal | undefined;
  let finish: (() => void) | undefined;
  const stream = {
    send: (message: RunnerMessage) => sent.push(message.kind) > 0,
    sendNow: (message: RunnerMessage, onSent: () => void) => {
      sent.push(message.kind);
      onSent();
    },
    pause: () => undefined,
    resume: () => undefined,
    end: (code: number) => void sent.push(`end ${code}`),
    wantsStart: true,
    trace: undefined as never,
    deadlineAt: undefined,
  };
  const session = new RunnerSession(stream, (_offer, io) => {
    signal = io.signal;
    return new Promise((resolve) => {
      finish = () => resolve({ report: { ...NOTHING_REPORTED, success: true } });
    });
  });
  let over = false;
  const hasEnded = () => sent.some((kind) => kind.startsWith('end'));
  for (const step of all) {
    // A transport delivers nothing after the end.
    if (over || hasEnded()) break;
    if (typeof step !== 'string') session.onMessage(step);
    else if (step === 'halfClose') session.onHalfClose();
    else if (step === 'writable') session.onWritable();
    else if (step === 'cancelled') {
      over = true;
      session.onCancelled();
    } else {
      finish?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  if (!over && !hasEnded()) session.onCancelled();
  const ends = sent.filter((kind) => kind.startsWith('end'));
  if (ends.length > 1) throw new Error(`ended more than once: ${sent}`);
  if (ends.length === 1 && !sent.at(-1)?.startsWith('end')) throw new Error(`something after the end: ${sent}`);
  if (signal !== undefined && ends[0] !== 'end 0' && !signal.aborted)
    await within(1_000, 'the end of a call that nobody wants', once(signal, 'abort'));
});

function inMemory(name: string, property: fc.IAsyncProperty<unknown>): FuzzTarget {
  const open = async (): Promise<OpenTarget> => ({
    property,
    settled: async () => undefined,
    close: async () => undefined,
  });
  return { name, open };
}

export const balancerSession = inMemory('balancer-session', balancerSide as fc.IAsyncProperty<unknown>);
export const runnerSession = inMemory('runner-session', runnerSide as fc.IAsyncProperty<unknown>);

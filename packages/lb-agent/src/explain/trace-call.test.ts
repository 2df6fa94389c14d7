import { FakeRunner } from '@fnfleet/placement';
import { type Attributes, type Span, type Tracer, trace } from '@opentelemetry/api';
import { TestFleet } from '../test-kit/test-fleet.js';

interface Seen {
  name: string;
  attributes: Attributes;
  events: { name: string; attributes: Attributes }[];
  error: string | undefined;
  startedAt: number;
  endedAt: number;
}

/** What a tracer that records would get. */
const seen: Seen[] = [];

function recording(name: string, startedAt: number): Span {
  const span: Seen = { name, attributes: {}, events: [], error: undefined, startedAt, endedAt: 0 };
  seen.push(span);
  const recorder = {
    isRecording: () => true,
    setAttributes: (attributes: Attributes) => Object.assign(span.attributes, attributes),
    addEvent: (event: string, attributes: Attributes) => span.events.push({ name: event, attributes }),
    setStatus: ({ message }: { message?: string }) => {
      span.error = message;
    },
    end: (at: number) => {
      span.endedAt = at;
    },
  };
  return recorder as unknown as Span;
}

let fleet: TestFleet;
beforeAll(() => {
  const tracer = { startSpan: (name: string, options: { startTime: number }) => recording(name, options.startTime) };
  trace.setGlobalTracerProvider({ getTracer: () => tracer as unknown as Tracer });
});
afterAll(() => trace.disable());
afterEach(() => fleet.close());

it('the trace has who was asked, what each said, and how it ended', async () => {
  fleet = await TestFleet.start([new FakeRunner('r1').refuses(), new FakeRunner('r2').finishes()]);
  const answer = await fleet.send('/invoke/fn1');
  const [span] = seen.splice(0);
  expect(span).toMatchObject({ name: 'place call', error: undefined });
  expect(span?.attributes).toMatchObject({ call_id: answer.headers['fn-call-id'], fn_id: 'fn1' });
  expect(span?.events.map(({ name, attributes }) => [name, attributes.runner])).toEqual([
    ['offered', 'r1'],
    ['said', 'r1'],
    ['offered', 'r2'],
    ['said', 'r2'],
  ]);
  expect(span?.endedAt).toBeGreaterThanOrEqual(span?.startedAt ?? Number.POSITIVE_INFINITY);
});

it('a call that fails says with what', async () => {
  fleet = await TestFleet.start([new FakeRunner('r1').fails(new Error('stream lost'))]);
  await fleet.send('/invoke/fn1');
  expect(seen.splice(0)).toMatchObject([{ name: 'place call', error: 'stream lost' }]);
});

import {
  type Attributes,
  type Context,
  propagation,
  ROOT_CONTEXT,
  type Span,
  type SpanOptions,
  type TextMapPropagator,
  trace,
} from '@opentelemetry/api';
import { installTraceEntry } from './tracing/tracing.js';

/** A span as recorded for tests. */
export interface RecordedSpan {
  name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Id of the parent span; undefined for a root. */
  readonly parentId: string | undefined;
  /** Trace and span id of each linked span. */
  readonly links: readonly (readonly [string, string])[];
  readonly attributes: Attributes;
  readonly events: { readonly name: string; readonly attributes: Attributes }[];
  /** The failure; undefined on success. */
  error: string | undefined;
  ended: boolean;
}

/** The part of the W3C format that shows which span was propagated; ignores incoming traces. */
const PROPAGATOR: TextMapPropagator = {
  inject(context, carrier, setter) {
    const span = trace.getSpanContext(context);
    if (span) setter.set(carrier, 'traceparent', `00-${span.traceId}-${span.spanId}-01`);
  },
  extract: (context) => context,
  fields: () => ['traceparent'],
};

/** Records every span of a process for tests, like an SDK that samples everything. */
export class RecordedSpans {
  readonly spans: RecordedSpan[] = [];
  private takeBack: () => void = () => undefined;

  /** Starts recording, until `uninstall`. */
  static install(): RecordedSpans {
    const recorded = new RecordedSpans();
    const startSpan = (name: string, options: SpanOptions = {}, context: Context = ROOT_CONTEXT) =>
      recorded.start(name, options, context);
    recorded.uninstall();
    propagation.setGlobalPropagator(PROPAGATOR);
    recorded.takeBack = installTraceEntry({ headers: [], begins: () => true });
    trace.setGlobalTracerProvider({
      getTracer: () => ({ startSpan, startActiveSpan: () => unsupported() }),
    });
    return recorded;
  }

  uninstall(): void {
    this.takeBack();
    trace.disable();
    propagation.disable();
  }

  /** The spans with this name, in the order in which they started. */
  named(name: string): readonly RecordedSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  /** The names of a span and its ancestors, outermost first. */
  wayTo(name: string): readonly string[] {
    const way: string[] = [];
    let span = this.named(name).at(-1);
    while (span !== undefined) {
      const { parentId }: RecordedSpan = span;
      way.unshift(span.name);
      span = this.spans.find(({ spanId }) => spanId === parentId);
    }
    return way;
  }

  private start(name: string, { attributes = {}, links = [] }: SpanOptions, context: Context): Span {
    const parent = trace.getSpanContext(context);
    const number = (this.spans.length + 1).toString(16);
    const recorded: RecordedSpan = {
      name,
      traceId: parent?.traceId ?? number.padStart(32, 'a'),
      spanId: number.padStart(16, 'b'),
      parentId: parent?.spanId,
      links: links.map(({ context: { traceId, spanId } }) => [traceId, spanId]),
      attributes: { ...attributes },
      events: [],
      error: undefined,
      ended: false,
    };
    this.spans.push(recorded);
    return spanOf(recorded);
  }
}

function spanOf(recorded: RecordedSpan): Span {
  const span: Span = {
    spanContext: () => ({ traceId: recorded.traceId, spanId: recorded.spanId, traceFlags: 1 }),
    isRecording: () => !recorded.ended,
    setAttribute: (name, value) => span.setAttributes({ [name]: value }),
    setAttributes(attributes) {
      Object.assign(recorded.attributes, attributes);
      return span;
    },
    addEvent(name, attributes) {
      recorded.events.push({ name, attributes: (attributes ?? {}) as Attributes });
      return span;
    },
    setStatus({ message }) {
      recorded.error = message;
      return span;
    },
    updateName(name) {
      recorded.name = name;
      return span;
    },
    end: () => {
      recorded.ended = true;
    },
    addLink: () => unsupported(),
    addLinks: () => unsupported(),
    recordException: () => unsupported(),
  };
  return span;
}

function unsupported(): never {
  throw new Error('nothing here uses this');
}

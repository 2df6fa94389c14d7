import {
  type Attributes,
  type Context,
  context as contextApi,
  isSpanContextValid,
  propagation,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api';

/**
 * Traces, by the API of OpenTelemetry. Their context is passed on as a value, like everything else of a call: nothing hangs
 * on what is active where. Without an SDK, and for calls that are not sampled, all of it costs next to nothing: only a call
 * whose first span is recorded gets further ones.
 */
export type TraceContext = Context;

/** Of what belongs to no trace. */
export const NO_TRACE: TraceContext = ROOT_CONTEXT;

export { SpanKind } from '@opentelemetry/api';

const SCOPE = 'fnfleet';

export interface OpenSpan {
  readonly span: Span;
  /** For what happens within it. */
  readonly context: TraceContext;
}

/**
 * Begins what came in from another process, or from outside.
 * @param carrier headers, with lower-case names
 */
export function openServerSpan(name: string, carrier: object): OpenSpan {
  return openSpan(name, readTrace(carrier), SpanKind.SERVER);
}

/** The same, with a context that has been read already. */
export function openSpan(name: string, parent: TraceContext, kind: SpanKind, attributes?: Attributes): OpenSpan {
  const span = trace.getTracer(SCOPE).startSpan(name, { kind, attributes }, parent);
  return { span, context: trace.setSpan(parent, span) };
}

/** Begins a part of what is recorded. Undefined: the whole is not. */
export function openChildSpan(
  name: string,
  parent: TraceContext,
  { kind = SpanKind.INTERNAL, attributes }: { kind?: SpanKind; attributes?: Attributes } = {},
): OpenSpan | undefined {
  return trace.getSpan(parent)?.isRecording() ? openSpan(name, parent, kind, attributes) : undefined;
}

/** @param error what it failed with; undefined: it went well */
export function closeSpan({ span }: OpenSpan, error?: unknown): void {
  if (error !== undefined) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
  }
  span.end();
}

/** Does something under a span of its own, where the whole is recorded. */
export function inSpan<T>(
  name: string,
  parent: TraceContext,
  action: (context: TraceContext) => Promise<T>,
  options?: { kind?: SpanKind; attributes?: Attributes },
): Promise<T> {
  const opened = openChildSpan(name, parent, options);
  return opened === undefined ? action(parent) : within(opened, action);
}

async function within<T>(opened: OpenSpan, action: (context: TraceContext) => Promise<T>): Promise<T> {
  try {
    const result = await action(opened.context);
    closeSpan(opened);
    return result;
  } catch (error) {
    closeSpan(opened, error);
    throw error;
  }
}

/** Names and values that carry the trace on, in the formats that the role was set up with. */
export function traceHeaders(context: TraceContext): Record<string, string> {
  const headers: Record<string, string> = {};
  if (hasTrace(context)) propagation.inject(context, headers);
  return headers;
}

/** What such headers, with lower-case names, say. */
export function readTrace(headers: object): TraceContext {
  return propagation.extract(ROOT_CONTEXT, headers);
}

/** Whether it belongs to a trace, recorded or not. */
export function hasTrace(context: TraceContext): boolean {
  const spanContext = trace.getSpanContext(context);
  return spanContext !== undefined && isSpanContextValid(spanContext);
}

/** For the log, which leads from there to the trace; empty where there is none. */
export function traceFields(context: TraceContext | undefined): { traceId?: string } {
  const spanContext = context && trace.getSpanContext(context);
  return spanContext && isSpanContextValid(spanContext) ? { traceId: spanContext.traceId } : {};
}

/** For code that is reached by ways that do not pass a context on; there, `activeTrace` has it. */
export function withActiveTrace<T>(context: TraceContext, action: () => T): T {
  return hasTrace(context) ? contextApi.with(context, action) : action();
}

export function activeTrace(): TraceContext {
  return contextApi.active();
}

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
  TraceFlags,
  trace,
} from '@opentelemetry/api';

/**
 * Traces, using the OpenTelemetry API. The context is passed explicitly, like everything else of a call, and does not depend on
 * the active context. Without an SDK, and for calls that are not sampled, the cost is negligible: only a call whose first span
 * is recorded gets further spans.
 */
export type TraceContext = Context;

/** The context of anything that is not traced. */
export const NO_TRACE: TraceContext = ROOT_CONTEXT;

export { SpanKind } from '@opentelemetry/api';

const SCOPE = 'fnfleet';

export interface OpenSpan {
  readonly span: Span;
  /** The context for its child spans. */
  readonly context: TraceContext;
}

/**
 * Starts a span for a request from another process or from a client.
 * @param carrier headers, with lower-case names
 */
export function openServerSpan(name: string, carrier: object): OpenSpan {
  return openSpan(name, readTrace(carrier), SpanKind.SERVER);
}

/** The same, for a context that was already extracted. */
export function openSpan(name: string, parent: TraceContext, kind: SpanKind, attributes?: Attributes): OpenSpan {
  const span = trace.getTracer(SCOPE).startSpan(name, { kind, attributes }, parent);
  return { span, context: trace.setSpan(parent, span) };
}

/** Starts a child span. Undefined if the parent is not recorded. */
export function openChildSpan(
  name: string,
  parent: TraceContext,
  { kind = SpanKind.INTERNAL, attributes }: { kind?: SpanKind; attributes?: Attributes } = {},
): OpenSpan | undefined {
  return trace.getSpan(parent)?.isRecording() ? openSpan(name, parent, kind, attributes) : undefined;
}

/**
 * Starts a trace of its own for work that another trace has caused, with a link to that one: work that is done later, and perhaps
 * several times. Undefined if neither that trace is recorded nor a new one would be.
 */
export function openLinkedSpan(
  name: string,
  cause: TraceContext,
  kind: SpanKind,
  attributes?: Attributes,
): OpenSpan | undefined {
  const context = trace.getSpanContext(cause);
  const isRecorded = ((context?.traceFlags ?? TraceFlags.NONE) & TraceFlags.SAMPLED) !== 0;
  if (!isRecorded && !entry.begins(false)) return undefined;
  const links = context !== undefined && isSpanContextValid(context) ? [{ context }] : [];
  const span = trace.getTracer(SCOPE).startSpan(name, { kind, attributes, links, root: true }, ROOT_CONTEXT);
  return { span, context: trace.setSpan(ROOT_CONTEXT, span) };
}

/** Adds attributes to the current span of a trace. */
export function noteInTrace(context: TraceContext, attributes: Attributes): void {
  trace.getSpan(context)?.setAttributes(attributes);
}

/** @param error the failure; undefined on success */
export function closeSpan({ span }: OpenSpan, error?: unknown): void {
  if (error !== undefined) {
    span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : String(error) });
  }
  span.end();
}

/** Runs a function in a child span if the parent is recorded. */
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

/** Headers that propagate the trace, in the configured formats. */
export function traceHeaders(context: TraceContext): Record<string, string> {
  const headers: Record<string, string> = {};
  if (hasTrace(context)) propagation.inject(context, headers);
  return headers;
}

/** Extracts the context from such headers, whose names are in lower case. */
export function readTrace(headers: object): TraceContext {
  return propagation.extract(ROOT_CONTEXT, headers);
}

const TRACE_PARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** The current span in 55 characters, as in the header `traceparent`, to be kept for later. Undefined without a trace. */
export function traceParentOf(context: TraceContext): string | undefined {
  const spanContext = trace.getSpanContext(context);
  if (spanContext === undefined || !isSpanContextValid(spanContext)) return undefined;
  const { traceId, spanId, traceFlags } = spanContext;
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** Reads what `traceParentOf` has written. Anything else counts as no trace. */
export function readTraceParent(text: string | undefined): TraceContext {
  const [, traceId, spanId, flags] = TRACE_PARENT.exec(text ?? '') ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return NO_TRACE;
  const spanContext = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(spanContext) ? trace.setSpanContext(ROOT_CONTEXT, spanContext) : NO_TRACE;
}

/** Whether it is part of a trace, recorded or not. */
export function hasTrace(context: TraceContext): boolean {
  const spanContext = trace.getSpanContext(context);
  return spanContext !== undefined && isSpanContextValid(spanContext);
}

/** Log fields that link to the trace; empty without a trace. */
export function traceFields(context: TraceContext | undefined): { traceId?: string } {
  const spanContext = context && trace.getSpanContext(context);
  return spanContext && isSpanContextValid(spanContext) ? { traceId: spanContext.traceId } : {};
}

/** Makes the context active, for code that is called without one and uses `activeTrace`. */
export function withActiveTrace<T>(context: TraceContext, action: () => T): T {
  return hasTrace(context) ? contextApi.with(context, action) : action();
}

export function activeTrace(): TraceContext {
  return contextApi.active();
}

/** Decides which incoming requests are traced. */
export interface TraceEntry {
  /** Headers that may carry a trace, in lower case. */
  readonly headers: readonly string[];
  /** Whether to start a new trace for a request without one. Called for each such request. */
  readonly begins: (isExplained: boolean) => boolean;
}

/** Without a recorder, traces are neither started nor read. */
let entry: TraceEntry = { headers: [], begins: () => false };

/** Process-wide, like the globals of OpenTelemetry. @returns a function that resets it */
export function installTraceEntry(installed: TraceEntry): () => void {
  const before = entry;
  entry = installed;
  return () => {
    entry = before;
  };
}

/**
 * Whether a request belongs to a trace. A request that does not has no further cost: no ids are generated and no headers are
 * sent. That is why the decision is made here and not in the sampler of an SDK, which needs all of this first.
 * @param carrier headers, with lower-case names
 */
export function entersTrace(carrier: Readonly<Record<string, unknown>>, isExplained: boolean): boolean {
  for (const name of entry.headers) if (carrier[name] !== undefined) return true;
  return entry.begins(isExplained);
}

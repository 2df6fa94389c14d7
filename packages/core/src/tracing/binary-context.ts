import { createTraceState, isSpanContextValid, ROOT_CONTEXT, type SpanContext, trace } from '@opentelemetry/api';
import type { TraceContext } from './tracing.js';

/** gRPC metadata with a span in the binary format of OpenCensus, as sent by Fn's balancers. */
export const BINARY_TRACE_HEADER = 'grpc-trace-bin';
/** The W3C trace state, sent with it. */
export const TRACE_STATE_HEADER = 'tracestate';

/**
 * A version byte (0) and three fields, each preceded by its number: trace id (0), span id (1) and options (2). The lowest bit of
 * the options is the sampled flag.
 */
const BYTES = 29;
const AT = { traceId: 2, spanId: 19, options: 28 } as const;

/** Base64, as required for metadata whose name ends in `-bin`. Undefined without a trace. */
export function encodeBinaryTrace(context: TraceContext): string | undefined {
  const spanContext = trace.getSpanContext(context);
  if (spanContext === undefined || !isSpanContextValid(spanContext)) return undefined;
  const bytes = Buffer.alloc(BYTES);
  bytes.write(spanContext.traceId, AT.traceId, 'hex');
  bytes[AT.spanId - 1] = 1;
  bytes.write(spanContext.spanId, AT.spanId, 'hex');
  bytes[AT.options - 1] = 2;
  bytes[AT.options] = spanContext.traceFlags & 1;
  return bytes.toString('base64');
}

/** The trace state, for which the binary format has no field. Undefined if there is none. */
export function traceStateOf(context: TraceContext): string | undefined {
  return trace.getSpanContext(context)?.traceState?.serialize() || undefined;
}

/**
 * An unreadable value is treated as no trace, so that the call is still served.
 * @param state the W3C trace state
 */
export function decodeBinaryTrace(text: string, state?: string): TraceContext {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length < BYTES || bytes[0] !== 0 || bytes[1] !== 0 || bytes[AT.spanId - 1] !== 1) return ROOT_CONTEXT;
  const spanContext: SpanContext = {
    traceId: bytes.toString('hex', AT.traceId, AT.traceId + 16),
    spanId: bytes.toString('hex', AT.spanId, AT.spanId + 8),
    traceFlags: bytes[AT.options - 1] === 2 ? (bytes[AT.options] ?? 0) & 1 : 0,
    isRemote: true,
    ...(state && { traceState: createTraceState(state) }),
  };
  return isSpanContextValid(spanContext) ? trace.setSpanContext(ROOT_CONTEXT, spanContext) : ROOT_CONTEXT;
}

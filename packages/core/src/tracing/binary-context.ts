import { createTraceState, isSpanContextValid, ROOT_CONTEXT, type SpanContext, trace } from '@opentelemetry/api';
import type { TraceContext } from './tracing.js';

/** Metadata of gRPC that carries a span in the binary form of OpenCensus, as Fn's balancers send it. */
export const BINARY_TRACE_HEADER = 'grpc-trace-bin';
/** That of W3C, beside it. */
export const TRACE_STATE_HEADER = 'tracestate';

/**
 * One byte of version, 0, and three fields, each with its number before it: trace id (0), span id (1), options (2), whose
 * lowest bit says that the trace is sampled.
 */
const BYTES = 29;
const AT = { traceId: 2, spanId: 19, options: 28 } as const;

/** Base64, as metadata whose name ends in `-bin` travels. Undefined: there is no trace. */
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

/** What travels beside it, as the binary form has no place for that. Undefined: there is none. */
export function traceStateOf(context: TraceContext): string | undefined {
  return trace.getSpanContext(context)?.traceState?.serialize() || undefined;
}

/**
 * What cannot be read is no trace: a balancer that is wrong here may still have a call.
 * @param state what came beside it
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

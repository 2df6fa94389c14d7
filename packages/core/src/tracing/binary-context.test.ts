import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { decodeBinaryTrace, encodeBinaryTrace, traceStateOf } from './binary-context.js';

const SPAN = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', traceFlags: 1 };
/** Written by hand from the format: version, then each field after its number. */
const BYTES = `00 00 ${SPAN.traceId} 01 ${SPAN.spanId} 02 01`.replaceAll(' ', '');
const asHeader = (hex: string) => Buffer.from(hex, 'hex').toString('base64');

it('protocol: grpc-trace-bin is written and read as in OpenCensus', () => {
  const context = trace.setSpanContext(ROOT_CONTEXT, SPAN);
  expect(encodeBinaryTrace(context)).toBe(asHeader(BYTES));
  expect(trace.getSpanContext(decodeBinaryTrace(asHeader(BYTES)))).toEqual({ ...SPAN, isRemote: true });
});

it('the trace state is restored', () => {
  const context = decodeBinaryTrace(asHeader(BYTES), 'vendor=1,other=2');
  expect(traceStateOf(context)).toBe('vendor=1,other=2');
  expect(traceStateOf(ROOT_CONTEXT)).toBeUndefined();
});

it('a trace that is not sampled stays so', () => {
  const context = decodeBinaryTrace(asHeader(`${BYTES.slice(0, -2)}00`));
  expect(trace.getSpanContext(context)?.traceFlags).toBe(0);
});

it('nothing is written without a trace', () => {
  expect(encodeBinaryTrace(ROOT_CONTEXT)).toBeUndefined();
});

it.each([
  ['nothing', ''],
  ['too little', BYTES.slice(0, 40)],
  ['another version', `01${BYTES.slice(2)}`],
  ['ids of zeros', `0000${'00'.repeat(16)}01${'00'.repeat(8)}0201`],
  ['fields in another order', `0001${BYTES.slice(4)}`],
])('%s is not a trace', (_, hex) => {
  expect(trace.getSpanContext(decodeBinaryTrace(asHeader(hex)))).toBeUndefined();
});

it('text that is not base64 is not a trace', () => {
  expect(trace.getSpanContext(decodeBinaryTrace('%%%'))).toBeUndefined();
});

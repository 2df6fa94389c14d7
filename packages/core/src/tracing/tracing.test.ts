import { ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { NO_TRACE, readTraceParent, traceParentOf } from './tracing.js';

const IDS = '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331';

it.each(['00', '01'])('a trace with the flags %s is read as it was written', (flags) => {
  const [traceId = '', spanId = ''] = IDS.split('-');
  const context = trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags: Number(flags) });
  expect(traceParentOf(context)).toBe(`00-${IDS}-${flags}`);
  expect(trace.getSpanContext(readTraceParent(`00-${IDS}-${flags}`))).toEqual({
    ...{ traceId, spanId, traceFlags: Number(flags), isRemote: true },
  });
});

it('no trace is no text', () => expect(traceParentOf(NO_TRACE)).toBeUndefined());

it.each([
  ['nothing', undefined],
  ['an empty text', ''],
  ['another version', `01-${IDS}-01`],
  ['ids of zeros', `00-${'0'.repeat(32)}-${'0'.repeat(16)}-01`],
  ['a text with more behind it', `00-${IDS}-01-00`],
  ['capitals', `00-${IDS.toUpperCase()}-01`],
  ['a long text', '0'.repeat(100_000)],
])('%s is no trace', (_, text) => expect(readTraceParent(text)).toBe(NO_TRACE));

import {
  entersTrace,
  FakeClock,
  openServerSpan,
  readSettings,
  SettingsError,
  traceFields,
  traceHeaders,
} from '@fnfleet/core';
import { diag } from '@opentelemetry/api';
import { newSampling } from './exports.js';
import { ExportTroubles, startTelemetry, type Telemetry } from './telemetry.js';
import { telemetrySettings } from './telemetry-settings.js';

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN_ID = '00f067aa0ba902b7';
const W3C = { traceparent: `00-${TRACE_ID}-${SPAN_ID}-01` };
const B3 = { 'x-b3-traceid': TRACE_ID, 'x-b3-spanid': SPAN_ID, 'x-b3-sampled': '1' };
const B3_SINGLE = { b3: `${TRACE_ID}-${SPAN_ID}-1` };

const settingsOf = (env: Record<string, string> = {}) => readSettings(telemetrySettings, env);

interface Line {
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

function newLog() {
  const lines: Line[] = [];
  const note = (message: string, fields = {}) => void lines.push({ message, fields });
  const logger = { error: note, warn: note, info: note, debug: note, child: () => logger, debugEnabled: false };
  return { lines, logger };
}

describe('a role', () => {
  let telemetry: Telemetry | undefined;
  const { lines, logger } = newLog();

  async function start(env: Record<string, string> = {}): Promise<void> {
    telemetry = await startTelemetry('lb', settingsOf(env), logger);
  }

  afterEach(async () => {
    expect(await telemetry?.close()).toBe(true);
    expect(entersTrace(W3C, true)).toBe(false);
    lines.length = 0;
  });

  it.each([
    ['W3C', W3C],
    ['B3', B3],
  ])('passes on an incoming trace with %s headers, even if it records none', async (_, headers) => {
    await start();
    expect(entersTrace(headers, false)).toBe(true);
    const { context } = openServerSpan('POST', headers);
    expect(traceFields(context)).toEqual({ traceId: TRACE_ID });
    expect(traceHeaders(context)).toMatchObject({ ...W3C, 'x-b3-traceid': TRACE_ID });
    // None is begun here.
    expect(entersTrace({}, true)).toBe(false);
  });

  it('OTEL_PROPAGATORS: reads only the listed formats, and uses the first if several are present', async () => {
    await start({ OTEL_PROPAGATORS: 'b3,tracecontext' });
    expect(entersTrace(B3_SINGLE, false)).toBe(true);
    const other = { traceparent: `00-${TRACE_ID.replace('4', '5')}-${SPAN_ID}-01` };
    expect(traceFields(openServerSpan('POST', { ...other, ...B3_SINGLE }).context)).toEqual({ traceId: TRACE_ID });
  });

  it('OTEL_PROPAGATORS=none: neither reads nor writes trace headers', async () => {
    await start({ OTEL_PROPAGATORS: 'none' });
    expect(entersTrace({ ...W3C, ...B3 }, false)).toBe(false);
  });

  it('warns that the settings of Fn for Zipkin and Jaeger have no effect', async () => {
    await start({ FN_ZIPKIN_URL: 'http://zipkin:9411/api/v2/spans' });
    expect(lines.map(({ message }) => message)).toEqual([expect.stringMatching(/^FN_ZIPKIN_URL has no effect.*OTLP/)]);
  });
});

describe('OTEL_TRACES_SAMPLER', () => {
  it.each`
    sampler                       | arg          | explained | begun
    ${undefined}                  | ${undefined} | ${false}  | ${0.01}
    ${undefined}                  | ${undefined} | ${true}   | ${1}
    ${'parentbased_traceidratio'} | ${'0.5'}     | ${false}  | ${0.5}
    ${'parentbased_always_on'}    | ${undefined} | ${false}  | ${1}
    ${'parentbased_always_off'}   | ${undefined} | ${true}   | ${0}
    ${'always_off'}               | ${undefined} | ${true}   | ${0}
    ${'always_on'}                | ${undefined} | ${false}  | ${1}
  `('$sampler with $arg starts $begun of all traces (explained: $explained)', ({ sampler, arg, explained, begun }) => {
    const env = { ...(sampler && { OTEL_TRACES_SAMPLER: sampler }), ...(arg && { OTEL_TRACES_SAMPLER_ARG: arg }) };
    let next = 0;
    const random = () => (next++ % 1000) / 1000;
    const { begins } = newSampling(settingsOf(env), random);
    const count = Array.from({ length: 1000 }, () => begins(explained)).filter(Boolean).length;
    expect(count / 1000).toBe(begun);
  });
});

it.each([
  ['OTEL_TRACES_SAMPLER_ARG', '2', /from 0 to 1/],
  ['OTEL_TRACES_SAMPLER_ARG', 'half', /from 0 to 1/],
  ['OTEL_PROPAGATORS', 'tracecontext,jaeger', /jaeger is not among tracecontext, baggage, b3, b3multi, none/],
  ['OTEL_EXPORTER_OTLP_PROTOCOL', 'thrift', /http\/protobuf, http\/json, grpc/],
])('%s=%s is refused', (name, value, message) => {
  expect(() => settingsOf({ [name]: value })).toThrow(SettingsError);
  expect(() => settingsOf({ [name]: value })).toThrow(message);
});

it('an unreachable collector is logged once a minute, with the reason', async () => {
  const clock = new FakeClock(0);
  const { lines, logger } = newLog();
  new ExportTroubles(logger, clock).install();
  const fail = () => diag.error('{"stack":"Error: …","message":"connect ECONNREFUSED 127.0.0.1:9","name":"Error"}');
  for (let i = 0; i < 10; i += 1) fail();
  expect(lines).toMatchObject([{ fields: { error: 'connect ECONNREFUSED 127.0.0.1:9' } }]);
  await clock.advance(60_000);
  fail();
  expect(lines).toMatchObject([{}, { fields: { untold: 9 } }]);
  diag.disable();
});

// takes: 20 s
import { until } from '@fnfleet/testing';
import { Fleet } from './harness/fleet.js';
import { invoke, reportOf } from './harness/invoke.js';
import { type CollectedSpan, OtlpCollector } from './harness/otlp-collector.js';

jest.setTimeout(120_000);

const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const CALLER = '00f067aa0ba902b7';

describe('a fleet that exports to a collector', () => {
  let collector: OtlpCollector;
  let fleet: Fleet;

  beforeAll(async () => {
    collector = await OtlpCollector.start();
    fleet = await Fleet.start({ runners: 2, settings: { ...collector.settings, FN_LOG_FORMAT: 'json' } });
  });

  afterAll(async () => {
    const left = await fleet?.stop();
    await collector.stop();
    expect(left).toEqual([]);
  });

  /** The spans of a trace, once those of these names have come, each process sending its own, and whatever they are within. */
  function traceWith(traceId: string, ...names: string[]): Promise<CollectedSpan[]> {
    return until({
      what: `${names} of trace ${traceId}`,
      look: () => {
        const spans = collector.trace(traceId);
        const ids = new Set(spans.map(({ spanId }) => spanId));
        const roots = spans.filter(({ parentSpanId }) => !ids.has(parentSpanId)).length;
        const missing = names.filter((wanted) => !spans.some(({ name }) => name === wanted));
        return roots === 1 && missing.length === 0 ? spans : undefined;
      },
    });
  }

  /** `service name` of a span and all those it is within, outermost first. */
  function wayTo(name: string, spans: readonly CollectedSpan[]): string[] {
    const way: string[] = [];
    let span = spans.find((one) => one.name === name);
    while (span) {
      way.unshift(`${span.service.replace('fnfleet-', '')} ${span.name}`);
      const { parentSpanId }: CollectedSpan = span;
      span = spans.find(({ spanId }) => spanId === parentSpanId);
    }
    return way;
  }

  it('one trace leads from the request through every process into the function, each part within the right one', async () => {
    const url = await fleet.deployed({ name: 'traced' });
    const answer = await invoke(url, {
      knobs: { about: true },
      headers: { traceparent: `00-${TRACE_ID}-${CALLER}-01`, tracestate: 'a=1' },
    });
    const spans = await traceWith(TRACE_ID, 'POST /invoke/:fn_id', 'RunnerProtocol/Engage', 'GET /v2/fns/:fn_id');

    const request = ['lb POST /invoke/:fn_id'];
    const call = [...request, 'lb lb_agent_submit'];
    const engaged = [...call, 'lb send_to_runner', 'pure-runner RunnerProtocol/Engage'];
    const admitted = [...engaged, 'pure-runner agent_get_slot'];
    const launched = [...engaged, 'pure-runner agent_hot_launcher'];
    expect(wayTo('RunnerProtocol/Engage', spans)).toEqual(engaged);
    expect(wayTo('agent_get_slot', spans)).toEqual(admitted);
    expect(wayTo('agent_get_resource_token', spans)).toEqual([...engaged, 'pure-runner agent_get_resource_token']);
    for (const step of ['docker_pull_image', 'docker_create_container', 'docker_start_container', 'container_init']) {
      expect(wayTo(step, spans)).toEqual([...launched, `pure-runner ${step}`]);
    }
    expect(wayTo('agent_dispatch_httpstream', spans)).toEqual([...engaged, 'pure-runner agent_dispatch_httpstream']);
    // The balancer had to ask what the function is.
    expect(wayTo('GET /v2/fns/:fn_id', spans)).toEqual([...request, 'lb hybrid_client_read', 'api GET /v2/fns/:fn_id']);

    const [root] = spans.filter(({ parentSpanId }) => parentSpanId === CALLER);
    expect(root).toMatchObject({ name: 'POST /invoke/:fn_id', kind: 2, failed: false });
    expect(root?.attributes).toMatchObject({ 'http.response.status_code': 200 });
    const submitted = spans.find(({ name }) => name === 'lb_agent_submit');
    expect(submitted?.attributes['fn.call_id']).toBe(answer.headers['fn-call-id']);
    expect(submitted?.events).toEqual(expect.arrayContaining(['offered', 'said']));

    // The function is told of its own part, and of nothing else.
    const execution = spans.find(({ name }) => name === 'agent_dispatch_httpstream');
    const { headers } = reportOf(answer).call;
    const told = headersOf(headers);
    expect(told.get('traceparent')).toEqual([`00-${TRACE_ID}-${execution?.spanId}-01`]);
    expect(told.get('tracestate')).toEqual(['a=1']);
    expect(told.get('x-b3-spanid')).toEqual([execution?.spanId]);
  });

  it('http-api 109: B3 comes in, and goes to the api node', async () => {
    const traceId = 'a3ce929d0e0e47364bf92f3577b34da6';
    const url = await fleet.deployed({ name: 'b3' });
    const headers = { 'X-B3-TraceId': traceId, 'X-B3-SpanId': CALLER, 'X-B3-Sampled': '1' };
    expect((await invoke(url, { headers })).status).toBe(200);
    const spans = await traceWith(traceId, 'GET /v2/fns/:fn_id', 'POST /invoke/:fn_id');
    expect(wayTo('GET /v2/fns/:fn_id', spans)).toHaveLength(3);
  });

  it('a call that is to be explained is recorded, though nobody else traces it', async () => {
    const url = await fleet.deployed({ name: 'explained' });
    const answer = await invoke(url, { headers: { 'Fn-Explain': '1' } });
    const callId = answer.headers['fn-call-id'];
    await until({
      what: 'its trace',
      look: () => collector.spans.find(({ attributes }) => attributes['fn.call_id'] === callId),
    });
  });

  it('what has failed says so, in the trace and, with its id, in the log', async () => {
    const traceId = '0e0e4736a3ce929d4bf92f3577b34da6';
    const url = await fleet.deployed({ name: 'failing', image: 'fnfleet/not-there:latest' });
    const answer = await invoke(url, { headers: { traceparent: `00-${traceId}-${CALLER}-01` } });
    expect(answer.status).toBeGreaterThanOrEqual(500);
    const spans = await traceWith(traceId, 'RunnerProtocol/Engage', 'POST /invoke/:fn_id');
    const failed = spans.filter((span) => span.failed).map(({ name }) => name);
    expect(failed).toEqual(expect.arrayContaining(['docker_pull_image', 'send_to_runner', 'lb_agent_submit']));
  });

  it('health checks and scrapes are in no trace, and metrics arrive under the names they have at /metrics', async () => {
    await invoke(`${fleet.lbUrl}/healthz`, { method: 'GET', headers: { traceparent: `00-${TRACE_ID}-${CALLER}-01` } });
    await until({ what: 'metrics', look: () => collector.metrics.has('fn_lb_placer_placed_ok_count') || undefined });
    expect(collector.spans.some(({ name }) => name.includes('healthz'))).toBe(false);
    expect(await fleet.metric('fn_lb_placer_placed_ok_count')).toBeGreaterThan(0);
  });
});

it('a collector that is away costs nothing but a line in the log', async () => {
  const settings = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9', OTEL_BSP_SCHEDULE_DELAY: '100' };
  const fleet = await Fleet.start({ settings: { ...settings, OTEL_TRACES_SAMPLER: 'always_on' } });
  try {
    const url = await fleet.deployed({ name: 'untraced' });
    for (let i = 0; i < 5; i += 1) expect((await invoke(url)).status).toBe(200);
    await until({
      what: 'a warning',
      look: () => /cannot export traces or metrics to the collector/.test(fleet.log) || undefined,
    });
  } finally {
    const from = Date.now();
    expect(await fleet.stop()).toEqual([]);
    // Three nodes, one after another, none of which waits for the collector as long as an export may take: 30 s.
    expect(Date.now() - from).toBeLessThan(60_000);
  }
});

/** Names in lower case. */
function headersOf(lines: readonly string[]): ReadonlyMap<string, string[]> {
  const headers = new Map<string, string[]>();
  for (let i = 0; i + 1 < lines.length; i += 2) {
    const name = (lines[i] ?? '').toLowerCase();
    headers.set(name, [...(headers.get(name) ?? []), lines[i + 1] ?? '']);
  }
  return headers;
}

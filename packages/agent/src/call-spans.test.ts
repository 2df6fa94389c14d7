import type { IncomingMessage } from 'node:http';
import { closeSpan, NO_TRACE, openSpan, RecordedMetrics, RecordedSpans, SpanKind } from '@fnfleet/core';
import { fn, rawFn } from '@fnfleet/drivers';
import { withTrace } from './call/call-options.js';
import { outcomeOf, TestAgent } from './test-kit/test-agent.js';

RecordedMetrics.install();

let recorded: RecordedSpans;
let seen: IncomingMessage[];
let agent: TestAgent;

beforeEach(() => {
  recorded = RecordedSpans.install();
  seen = [];
  const witness = fn((req, res) => {
    seen.push(req);
    res.end();
  });
  agent = new TestAgent({ witness, broken: rawFn((socket) => void socket.destroy()) });
});

afterEach(async () => {
  await agent.agent.close();
  recorded.uninstall();
  expect(recorded.spans.filter(({ ended }) => !ended)).toEqual([]);
});

/** Answers a call under a span of its caller. */
async function called(image: string, headers: Record<string, string[]> = {}): Promise<void> {
  const caller = openSpan('call', NO_TRACE, SpanKind.SERVER);
  const { done } = await agent.invoke({ image, headers, options: [withTrace(caller.context)] });
  await outcomeOf(done);
  closeSpan(caller);
}

it('the trace of the first call of a function contains the launch of its container, that of the next does not', async () => {
  await called('witness');
  for (const step of ['docker_pull_image', 'docker_create_container', 'docker_start_container', 'container_init']) {
    expect(recorded.wayTo(step)).toEqual(['call', 'agent_hot_launcher', step]);
  }
  for (const step of ['agent_get_slot', 'agent_get_resource_token', 'agent_dispatch_httpstream']) {
    expect(recorded.wayTo(step)).toEqual(['call', step]);
  }
  const before = recorded.spans.length;
  await called('witness');
  expect(recorded.spans.slice(before).map(({ name }) => name)).toEqual([
    ...['call', 'agent_get_slot', 'agent_dispatch_httpstream'],
  ]);
});

it('the function receives the context of its own span instead of that of the caller', async () => {
  await called('witness', { Traceparent: ['00-caller'], B3: ['caller'], 'X-B3-Traceid': ['caller'], Other: ['kept'] });
  const [execution] = recorded.named('agent_dispatch_httpstream');
  const [request] = seen;
  expect(request?.headers).toMatchObject({
    traceparent: `00-${execution?.traceId}-${execution?.spanId}-01`,
    other: 'kept',
  });
  expect(request?.headers).not.toHaveProperty('b3');
  expect(request?.headers).not.toHaveProperty('x-b3-traceid');
});

it('without a trace the function gets the trace headers of the caller and none of ours', async () => {
  const { done } = await agent.invoke({ image: 'witness', headers: { Traceparent: ['00-caller'] } });
  await outcomeOf(done);
  expect(seen[0]?.headers.traceparent).toBe('00-caller');
  expect(recorded.spans).toEqual([]);
});

it('the span of the function names the function and its image', async () => {
  await called('witness');
  expect(recorded.named('agent_dispatch_httpstream')).toMatchObject([
    {
      attributes: {
        'fn.call_id': expect.stringMatching(/./),
        'fn.fn_id': 'fn-of-witness',
        'fn.app_id': 'app1',
        'container.image.name': 'witness',
      },
      error: undefined,
    },
  ]);
});

it.each(['Tracestate', 'B3', 'X-B3-Spanid', 'X-B3-Parentspanid', 'X-B3-Sampled', 'X-B3-Flags'])(
  'a %s of the caller does not reach the function beside its own trace',
  async (name) => {
    await called('witness', { [name]: ['caller'] });
    expect(seen[0]?.headers).not.toHaveProperty(name.toLowerCase());
  },
);

it('the span of the function records its error', async () => {
  await called('broken');
  expect(recorded.named('agent_dispatch_httpstream')).toMatchObject([{ error: expect.stringMatching(/./) }]);
});

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fetchExplanation, formatTimeline } from './explanation.js';

describe('fetching', () => {
  const servers: Server[] = [];
  afterEach(async () => {
    for (const server of servers.splice(0)) await new Promise((resolve) => server.close(resolve));
  });

  const explanation = (id: string) => ({
    call_id: id,
    fn_id: 'f',
    app_id: 'a',
    arrived_at: '2026-11-24T12:31:19.123Z',
    state: 'under way',
    events: [],
    omitted: 0,
  });

  /** A balancer that knows one call. */
  async function balancer(known: string): Promise<string> {
    const server = createServer((request, response) => {
      const found = request.url === `/explain/${known}`;
      response.writeHead(found ? 200 : 404, { Connection: 'close' });
      response.end(JSON.stringify(found ? explanation(known) : { message: 'This balancer has no record of the call' }));
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('queries one balancer after the other', async () => {
    const balancers = ['http://127.0.0.1:1', await balancer('c1'), await balancer('c2')];
    expect(await fetchExplanation(balancers, 'c2')).toEqual(explanation('c2'));
  });

  it('lists the balancers that it asked if none knows the call', async () => {
    const known = await balancer('c1');
    await expect(fetchExplanation(['http://127.0.0.1:1', known], 'other')).rejects.toThrow(
      new RegExp(
        `^no balancer knows call other .*\\n  http://127.0.0.1:1: no answer .*\\n  ${known}: 404 This balancer`,
      ),
    );
  });
});

describe('the timeline', () => {
  const CALL = { call_id: 'c1', fn_id: 'f1', app_id: 'a1', type: 'sync', arrived_at: '2026-01-01T00:00:00.000Z' };

  it('shows which runners were tried, how long the call waited, and where its time went', () => {
    const lines = formatTimeline({
      ...CALL,
      state: 'answered',
      ended_at_ms: 25,
      omitted: 3,
      events: [
        { at_ms: 0.01, event: 'skipped', runner: 'a:1', text: 'no room' },
        { at_ms: 0.1, event: 'offered', runner: 'b:1' },
        { at_ms: 0.9, event: 'said', runner: 'b:1', text: 'refused: busy' },
        { at_ms: 1, event: 'queued' },
        { at_ms: 13.4, event: 'woken', text: 'a runner may have capacity' },
        { at_ms: 13.5, event: 'offered', runner: 'b:1' },
        { at_ms: 14.7, event: 'said', runner: 'b:1', text: 'started' },
      ],
      on_runner: {
        waited_ms: 1.1,
        image_pull_ms: 0,
        container_prepare_ms: 0,
        container_create_ms: 150,
        container_init_ms: 90.5,
        executed_ms: 9,
      },
    });
    expect(lines).toEqual([
      'call c1 of function f1, app a1, 2026-01-01T00:00:00.000Z',
      '        0.0 ms  arrived',
      '        0.0 ms  runner a:1: skipped, no room',
      '        0.1 ms  runner b:1: offered',
      '        0.9 ms  runner b:1: refused: busy after 0.8 ms',
      '        1.0 ms  queued: no runner can take it now',
      '       13.4 ms  woken after 12.4 ms: a runner may have capacity',
      '       13.5 ms  runner b:1: offered',
      '       14.7 ms  runner b:1: started after 1.2 ms',
      '                3 more events that were not kept',
      '                on the runner: waited 1.1 ms for a container, executed 9.0 ms',
      '                container launched for it: created 150.0 ms, started 90.5 ms',
      '       25.0 ms  answered',
    ]);
  });

  it('shows whether a call has failed or is still running', () => {
    const failed = formatTimeline({
      ...CALL,
      state: 'failed',
      ended_at_ms: 2,
      error: 'Timed out',
      events: [{ at_ms: 1, event: 'said', runner: 'a:1', text: 'started' }],
      omitted: 0,
    });
    expect(failed.slice(-2)).toEqual([
      '        2.0 ms  failed: Timed out',
      `                its output: fnfleet logs ${CALL.fn_id} --no-follow`,
    ]);
    expect(formatTimeline({ ...CALL, state: 'under way', events: [], omitted: 0 }).at(-1)).toMatch(/still running$/);
  });

  const REFUSED = { at_ms: 1, event: 'said', runner: 'a:1', text: 'failed: the image is being pulled' } as const;
  const NO_TIME = {
    waited_ms: 0,
    image_pull_ms: 900,
    container_prepare_ms: 0,
    container_create_ms: 0,
    container_init_ms: 0,
    executed_ms: 0,
  };

  it.each`
    what                                        | told                                                                         | named
    ${'nobody was asked'}                       | ${{}}                                                                        | ${false}
    ${'nothing ran, since its image is pulled'} | ${{ events: [REFUSED], on_runner: NO_TIME }}                                 | ${false}
    ${'it began'}                               | ${{ events: [{ ...REFUSED, text: 'started' }] }}                             | ${true}
    ${'it began, as a runner of Fn tells'}      | ${{ events: [REFUSED], on_runner: { ...NO_TIME, executed_ms: 3 } }}          | ${true}
    ${'its container did not start well'}       | ${{ events: [REFUSED], on_runner: { ...NO_TIME, container_create_ms: 30 } }} | ${true}
    ${'that is no longer known'}                | ${{ events: [REFUSED], omitted: 1 }}                                         | ${true}
  `('suggests a logs command if there can be output: $what', ({ told, named }) => {
    const lines = formatTimeline({
      ...CALL,
      state: 'failed',
      ended_at_ms: 2,
      error: 'x',
      events: [],
      omitted: 0,
      ...told,
    });
    expect(lines.some((line) => line.includes('fnfleet logs'))).toBe(named);
  });

  it('shows the name of the function if it is known', () => {
    const explanation = {
      call_id: 'c1',
      fn_id: 'f1',
      app_id: 'a1',
      arrived_at: 't',
      state: 'waiting',
      events: [],
      omitted: 0,
    };
    expect(formatTimeline(explanation as never, 'shop/cart')[0]).toBe('call c1 of function f1 (shop/cart), app a1, t');
  });
});

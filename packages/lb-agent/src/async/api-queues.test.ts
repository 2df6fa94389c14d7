import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Clock, decodeFrames, encodeFrames, systemClock } from '@fnfleet/core';
import type { NewMessage } from '@fnfleet/queue';
import { ApiNodes } from '../lookup/api-nodes.js';
import { ApiQueues } from './api-queues.js';
import type { CallSource } from './call-queues.js';

type Said = Record<string, unknown>;
interface Reply {
  readonly status: number;
  readonly body?: Buffer | string;
  readonly lost?: boolean;
  /** When it answers; at once by default. */
  readonly when?: Promise<void> | undefined;
}
type Script = (route: string, heads: Said[]) => Reply;

/** An API node that answers as it is told. */
class ScriptedNode {
  readonly heard: [route: string, heads: Said[]][] = [];
  private constructor(
    private readonly server: Server,
    public script: Script,
  ) {}

  static async start(script: Script): Promise<ScriptedNode> {
    const server = createServer((req, res) => {
      const chunks: Buffer[] = [];
      req.on('data', (chunk) => chunks.push(chunk));
      req.on('end', () => {
        const route = String(req.url).replace('/v2/runner/async/', '');
        const bytes = Buffer.concat(chunks);
        const heads =
          route === 'reserve'
            ? [JSON.parse(String(bytes))]
            : decodeFrames(bytes, 1000).map(({ head }) => JSON.parse(head));
        node.heard.push([route, heads]);
        const { status, body = '', lost, when } = node.script(route, heads);
        if (lost) req.socket.destroy();
        else if (when === undefined) res.writeHead(status).end(body);
        else void when.then(() => res.writeHead(status).end(body));
      });
    });
    const node = new ScriptedNode(server, script);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return node;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

const open: (ScriptedNode | ApiQueues | ApiNodes)[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

/** What happens after 20 ms: when a test says so. */
let soon: (() => void)[];
beforeEach(() => {
  soon = [];
});

async function queues(...scripts: Script[]): Promise<{ queues: ApiQueues; nodes: ScriptedNode[] }> {
  const nodes = await Promise.all(scripts.map((script) => ScriptedNode.start(script)));
  open.push(...nodes);
  const clock = { ...systemClock, sleep: () => Promise.resolve() };
  let now = 0;
  const hurried: Clock = {
    ...clock,
    after(ms, act, options) {
      if (ms !== 20) return systemClock.after(ms, act, options);
      soon.push(act);
      return { cancel: () => (soon = soon.filter((other) => other !== act)) };
    },
    now: () => {
      now += 100;
      return now as ReturnType<typeof systemClock.now>;
    },
  };
  const api = new ApiNodes(nodes.map(({ url }) => url).join(','), { clock: systemClock, random: () => 0 });
  open.push(api);
  const made = new ApiQueues({
    nodes: api,
    headers: { authorization: 'Bearer t' },
    maxBodyBytes: 1000,
    clock: hurried,
  });
  open.push(made);
  return { queues: made, nodes };
}

const message: NewMessage = { callId: 'c1', fnId: 'f', head: '{}', body: Buffer.from('cat') };
const yes: Script = () => ({ status: 200, body: '{"call_id":"c1","duplicate":false}' });
const said =
  (status: number, text: string): Script =>
  () => ({ status, body: JSON.stringify({ message: text }) });
const elsewhere = said(503, 'No queue of asynchronous calls is available: try again later');
const unsupported = said(400, 'Async functions are not supported on this server');
const ofFn = said(404, 'Path not found: POST /v2/runner/async/calls');
const lost: Script = () => ({ status: 0, lost: true });

describe('a call', () => {
  it('is handed in with everything that its caller has chosen', async () => {
    const { queues: made, nodes } = await queues(yes);
    const chosen = { delayMs: 5, idempotencyKey: 'k' };
    const policy = { attempts: 2, backoffMs: 3, maxBackoffMs: 4, retryOn: [] };
    expect(await made.enqueue({ ...message, ...chosen, policy, priority: 2, limits: { concurrency: 7 } })).toEqual({
      callId: 'c1',
      duplicate: false,
    });
    // What the owner of the function decides, the API node knows better.
    const said = { call_id: 'c1', fn_id: 'f', head: '{}', delay_ms: 5, idempotency_key: 'k' };
    expect(nodes[0]?.heard).toEqual([['calls', [said]]]);
  });

  it.each`
    first                              | script            | second
    ${'has the queue of another node'} | ${elsewhere}      | ${'confirms'}
    ${'has no queue'}                  | ${unsupported}    | ${'confirms'}
    ${'is an API node of Fn'}          | ${ofFn}           | ${'confirms'}
    ${'is killed before it answers'}   | ${lost}           | ${'confirms'}
    ${'answers 500'}                   | ${said(500, 'x')} | ${'confirms'}
  `('is confirmed by the second node if the first one $first', async ({ script }) => {
    const { queues: made, nodes } = await queues(script, yes);
    expect(await made.enqueue(message)).toEqual({ callId: 'c1', duplicate: false });
    expect(nodes.map(({ heard }) => heard.length)).toEqual([1, 1]);
    // It stays with the node that has confirmed.
    await made.enqueue(message);
    expect(nodes.map(({ heard }) => heard.length)).toEqual([1, 2]);
  });

  it('is handed in again, with the same id, until a node confirms', async () => {
    const { queues: made, nodes } = await queues(lost);
    const [node] = nodes as [ScriptedNode];
    node.script = () => (node.heard.length < 4 ? { status: 0, lost: true } : yes('', []));
    await made.enqueue(message);
    expect(node.heard.map(([, [head]]) => head?.call_id)).toEqual(['c1', 'c1', 'c1', 'c1']);
  });

  it.each`
    when                           | scripts                           | error
    ${'no node answers'}           | ${[lost, lost]}                   | ${{ code: 'queueUnavailable', status: 503 }}
    ${'no node opens its queue'}   | ${[elsewhere, elsewhere]}         | ${{ code: 'queueUnavailable', status: 503 }}
    ${'no node has a queue'}       | ${[unsupported, ofFn]}            | ${{ code: 'asyncUnsupported', status: 400 }}
    ${'the queue is full'}         | ${[said(503, 'full'), elsewhere]} | ${{ message: 'full', status: 503 }}
    ${'it is larger than allowed'} | ${[said(413, 'too large')]}       | ${{ message: 'too large', status: 413, blame: 'caller' }}
  `('is not confirmed when $when', async ({ scripts, error }) => {
    const { queues: made } = await queues(...scripts);
    await expect(made.enqueue(message)).rejects.toMatchObject(error);
  });
});

it.each`
  nodes | what        | silences            | act
  ${1}  | ${'a call'} | ${[5_000]}          | ${'push'}
  ${2}  | ${'a call'} | ${[2_500, 2_500]}   | ${'push'}
  ${1}  | ${'an end'} | ${[10_000, 10_000]} | ${'giveBack'}
  ${4}  | ${'an end'} | ${[7_500, 7_500]}   | ${'giveBack'}
`('of $nodes API nodes that hang, none takes the time of the others for $what', async ({ nodes, silences, act }) => {
  let now = 0;
  const asked: number[] = [];
  const node = () => ({
    url: 'http://node',
    post: async (_path: string, _headers: object, _body: Buffer, { silenceMs }: { silenceMs: number }) => {
      asked.push(silenceMs);
      now += silenceMs;
      throw new Error('nothing came');
    },
  });
  const all = Array.from({ length: nodes }, node);
  const clock = {
    ...systemClock,
    now: () => now as ReturnType<typeof systemClock.now>,
    sleep: async (ms: number) => {
      now += ms;
    },
  };
  const made = new ApiQueues({
    nodes: { all, order: () => all } as unknown as ApiNodes,
    ...{ headers: {}, maxBodyBytes: 1_000, clock },
  });
  const [source] = made.sources();
  const done = act === 'push' ? made.enqueue(message) : source?.giveBack({ callId: 'c1', token: 't1' });
  await expect(done).rejects.toMatchObject({ code: 'queueUnavailable' });
  expect(asked.slice(0, silences.length)).toEqual(silences);
  expect(asked.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(act === 'push' ? 5_000 : 30_000);
});

describe('a consumer', () => {
  const frames = encodeFrames([
    { head: '{"call_id":"c1","token":"t1","fn_id":"f","attempt":2,"head":"{}"}', body: Buffer.from('cat') },
  ]);

  it('takes calls from each node', async () => {
    const { queues: made, nodes } = await queues(() => ({ status: 200, body: frames }), elsewhere);
    const [first, second] = made.sources();
    const request = { holder: 'lb', limit: 4, leaseMs: 30_000, waitMs: 10 };
    expect(await first?.reserve(request)).toMatchObject([
      { lease: { callId: 'c1', token: 't1' }, attempt: 2, head: '{}' },
    ]);
    await expect(second?.reserve(request)).rejects.toMatchObject({ code: 'queueUnavailable' });
    expect(nodes[0]?.heard).toEqual([
      ['reserve', [{ holder: 'lb', limit: 4, lease_ms: 30_000, wait_ms: 10, poll: expect.any(String) }]],
    ]);
    expect(made.sources()[0]).toBe(first);
  });

  it.each`
    what                        | head
    ${'no token'}               | ${'{"call_id":"c0","fn_id":"f"}'}
    ${'attempt 0'}              | ${'{"call_id":"c0","token":"t0","fn_id":"f","attempt":0}'}
    ${'an unknown priority'}    | ${'{"call_id":"c0","token":"t0","fn_id":"f","priority":9}'}
    ${'an age below zero'}      | ${'{"call_id":"c0","token":"t0","fn_id":"f","age_ms":-1}'}
    ${'a head that is no JSON'} | ${'{'}
  `('leaves a call with $what to its lease, and takes those beside it', async ({ head }) => {
    const good = { head: '{"call_id":"c1","token":"t1","fn_id":"f"}', body: Buffer.from('cat') };
    const body = encodeFrames([{ head, body: Buffer.alloc(0) }, good]);
    const { queues: made } = await queues(() => ({ status: 200, body }));
    const taken = await made.sources()[0]?.reserve({ holder: 'lb', limit: 4, leaseMs: 30_000 });
    expect(taken?.map(({ lease }) => lease.callId)).toEqual(['c1']);
  });

  it('says of which functions it has enough, and ends its wait together with what it reports', async () => {
    let end: (() => void) | undefined;
    const { queues: made, nodes } = await queues(() => ({
      status: 200,
      body: frames,
      when: new Promise<void>((resolve) => (end = resolve)),
    }));
    const [source] = made.sources();
    const leaving = new AbortController();
    const held = new Map([['f', 3]]);
    const request = { holder: 'lb', limit: 4, leaseMs: 30_000, waitMs: 20_000, perFunction: 2, held };
    const waiting = source?.reserve(request, leaving.signal);
    const [node] = nodes as [ScriptedNode];
    while (node.heard.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const [, [asked]] = node.heard[0] as [string, Said[]];
    expect(asked).toMatchObject({ per_function: 2, held: [['f', 3]] });
    node.script = () => {
      end?.();
      return { status: 200, body: JSON.stringify({ answers: [{ kind: 'completed' }, { kind: 'ended' }] }) };
    };
    const reported = source?.complete({ callId: 'c', token: 't' }, { head: '', body: Buffer.alloc(0) });
    leaving.abort();
    expect(await reported).toEqual({ kind: 'completed' });
    // What was leased in the last moment is not lost.
    expect(await waiting).toMatchObject([{ lease: { callId: 'c1', token: 't1' } }]);
    expect(node.heard[1]).toMatchObject(['settle', [{ kind: 'complete' }, { kind: 'end_poll', poll: asked?.poll }]]);
  });

  it('does not wait for a node that does not end a reservation', async () => {
    const { queues: made, nodes } = await queues((route) => ({
      ...{ status: 200, body: '{"answers":[{"kind":"ended"}]}' },
      when: route === 'reserve' ? new Promise(() => undefined) : undefined,
    }));
    const leaving = new AbortController();
    const request = { holder: 'lb', limit: 4, leaseMs: 30_000, waitMs: 20_000 };
    const waiting = made.sources()[0]?.reserve(request, leaving.signal);
    while (nodes[0]?.heard.length === 0) await new Promise((resolve) => setImmediate(resolve));
    leaving.abort();
    await expect(waiting).rejects.toThrow();
  });

  it('reports what ends at the same time in one request', async () => {
    const answers = [{ kind: 'completed' }, { kind: 'leaseLost', because: 'expired' }, { kind: 'givenBack' }];
    const { queues: made, nodes } = await queues(() => ({ status: 200, body: JSON.stringify({ answers }) }));
    const [source] = made.sources();
    const lease = (n: number) => ({ callId: `c${n}`, token: `t${n}` });
    const failure = { kind: 'function', code: 'x', message: 'y' } as const;
    expect(
      await Promise.all([
        source?.complete(lease(1), { head: '{}', body: Buffer.from('meow') }),
        source?.retry(lease(2), failure),
        source?.giveBack(lease(3), 1_000),
      ]),
    ).toEqual(answers);
    expect(nodes[0]?.heard).toEqual([
      [
        'settle',
        [
          { call_id: 'c1', token: 't1', kind: 'complete', head: '{}' },
          { call_id: 'c2', token: 't2', kind: 'retry', blame: 'function', code: 'x', message: 'y' },
          { call_id: 'c3', token: 't3', kind: 'give_back', rest_ms: 1_000 },
        ],
      ],
    ]);
  });

  describe('with eight calls', () => {
    const eight = encodeFrames(
      Array.from({ length: 8 }, (_, n) => ({
        head: `{"call_id":"c${n}","token":"t","fn_id":"f","attempt":1,"head":"{}"}`,
        body: Buffer.alloc(0),
      })),
    );
    const request = { holder: 'lb', limit: 8, leaseMs: 30_000 };
    let node: ScriptedNode;
    let source: CallSource;
    const end = async (n: number) => {
      const reported = source.complete({ callId: `c${n}`, token: 't' }, { head: '', body: Buffer.alloc(0) });
      // Whatever it sends without waiting is on its way.
      for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      return { reported };
    };
    const reports = () =>
      node.heard.filter(([route]) => route === 'settle').map(([, heads]) => heads.map(({ call_id }) => call_id));

    beforeEach(async () => {
      const { queues: made, nodes } = await queues((route, heads) =>
        route === 'reserve'
          ? { status: 200, body: eight }
          : { status: 200, body: JSON.stringify({ answers: heads.map(() => ({ kind: 'completed' })) }) },
      );
      [node] = nodes as [ScriptedNode];
      [source] = made.sources() as [CallSource];
      await source.reserve(request);
    });

    it('reports together what ends within 20 ms, and at once when as many have ended as still run', async () => {
      const first = await end(0);
      expect(reports()).toEqual([]);
      soon.shift()?.();
      await first.reported;
      expect(reports()).toEqual([['c0']]);
      await end(1);
      await end(2);
      await end(3);
      expect(reports()).toEqual([['c0']]);
      const last = await end(4);
      await last.reported;
      expect(reports()).toEqual([['c0'], ['c1', 'c2', 'c3', 'c4']]);
      expect(soon).toEqual([]);
    });

    it('reports the end of the last one at once', async () => {
      const all = Promise.all([0, 1, 2, 3, 4, 5, 6].map(async (n) => (await end(n)).reported));
      await all;
      await (await end(7)).reported;
      expect(reports().at(-1)).toEqual(['c7']);
      expect(soon).toEqual([]);
    });

    it('reports what waits together with a request for more', async () => {
      const { reported } = await end(0);
      await Promise.all([source.reserve(request), reported]);
      expect(reports()).toEqual([['c0']]);
      expect(soon).toEqual([]);
    });

    describe('of a node that takes a reservation together with ends', () => {
      const [completed, enough] = [{ kind: 'completed' }, JSON.stringify({ answers: [], reserved: true })];
      const isReservation = ({ kind }: Said) => kind === 'reserve';
      const routes = () => node.heard.map(([route, heads]) => [route, heads.map(({ kind }) => kind)]);
      const answersTo = (heads: Said[]) => heads.filter((head) => !isReservation(head)).map(() => completed);
      const modern: Script = (route, heads) => {
        if (route === 'reserve') return { status: 200, body: eight };
        const answers = answersTo(heads);
        if (!heads.some(isReservation)) return { status: 200, body: JSON.stringify({ answers, reserves: true }) };
        const head = JSON.stringify({ answers, reserved: true });
        return { status: 200, body: Buffer.concat([encodeFrames([{ head, body: Buffer.alloc(0) }]), eight]) };
      };

      beforeEach(async () => {
        node.script = modern;
        const { reported } = await end(0);
        soon.shift()?.();
        await reported;
        node.heard.splice(0);
      });

      it('asks for more in the request that reports ends', async () => {
        const { reported } = await end(1);
        const wanted = { ...request, perFunction: 9, held: new Map([['f', 3]]) };
        const [leased, answer] = await Promise.all([source.reserve(wanted), reported]);
        expect(leased.map(({ lease }) => lease.callId)).toEqual(['c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7']);
        expect(answer).toEqual(completed);
        const asked = { kind: 'reserve', holder: 'lb', limit: 8, lease_ms: 30_000, per_function: 9, held: [['f', 3]] };
        expect(node.heard).toEqual([['settle', [expect.objectContaining({ call_id: 'c1', kind: 'complete' }), asked]]]);
        expect(soon).toEqual([]);
      });

      it.each`
        what                   | waitMs    | ends
        ${'nothing to report'} | ${0}      | ${0}
        ${'time to wait'}      | ${20_000} | ${1}
      `('asks for more by itself if it has $what', async ({ waitMs, ends }) => {
        const reported = ends > 0 ? (await end(1)).reported : undefined;
        await Promise.all([source.reserve({ ...request, waitMs }), reported]);
        expect(routes()).toContainEqual(['reserve', [undefined]]);
        expect(node.heard.some(([, heads]) => heads.some(isReservation))).toBe(false);
      });

      it.each`
        what                              | answer
        ${'is an older one by now'}       | ${{ status: 400, body: '{"message":"Invalid JSON"}' }}
        ${'is lost'}                      | ${{ status: 0, lost: true }}
        ${'has no room for reservations'} | ${{ status: 200, body: encodeFrames([{ head: JSON.stringify({ answers: [completed], reserved: false }), body: Buffer.alloc(0) }]) }}
        ${'answers for none of the ends'} | ${{ status: 200, body: encodeFrames([{ head: enough, body: Buffer.alloc(0) }]) }}
        ${'answers with something else'}  | ${{ status: 200, body: '{"answers":[]}' }}
        ${'answers with nothing'}         | ${{ status: 200, body: '' }}
      `('reports the ends, and takes more later, if the node $what', async ({ answer }) => {
        node.script = (route, heads) => (heads.some(isReservation) ? answer : modern(route, heads));
        const { reported } = await end(1);
        const more = source.reserve(request).catch(() => []);
        expect(await reported).toEqual(completed);
        await more;
        expect(await source.reserve(request)).toHaveLength(8);
      });

      it('waits no longer for more than it wants to, and gives back what comes later', async () => {
        const leaving = new AbortController();
        const answers = Promise.withResolvers<void>();
        node.script = (route, heads) => ({
          ...modern(route, heads),
          ...(heads.some(isReservation) ? { when: answers.promise } : {}),
        });
        const { reported } = await end(1);
        const more = source.reserve(request, leaving.signal);
        leaving.abort();
        await expect(more).rejects.toThrow('the reservation takes too long');
        answers.resolve();
        await reported;
        soon.shift()?.();
        await (await end(2)).reported;
        const told = node.heard.flatMap(([, heads]) => heads).filter(({ kind }) => kind === 'give_back');
        expect(told.map(({ call_id }) => call_id)).toEqual(['c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7']);
      });
    });
  });

  it('reports at another node that has taken over the queue, and again until one answers', async () => {
    const answers = [{ kind: 'completed' }];
    const { queues: made, nodes } = await queues(lost, elsewhere);
    const [, second] = nodes as [ScriptedNode, ScriptedNode];
    second.script = (...what) =>
      second.heard.length < 3 ? elsewhere(...what) : { status: 200, body: JSON.stringify({ answers }) };
    const [source] = made.sources();
    expect(await source?.complete({ callId: 'c1', token: 't1' }, { head: '', body: Buffer.alloc(0) })).toEqual(
      answers[0],
    );
  });

  it('learns in the end that nobody answers', async () => {
    const { queues: made } = await queues(lost);
    await expect(made.sources()[0]?.giveBack({ callId: 'c1', token: 't1' })).rejects.toMatchObject({
      code: 'queueUnavailable',
    });
  });
});

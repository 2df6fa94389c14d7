// takes: 4 s
import { createServer, get, type IncomingMessage, request } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { FakeClock, FnError, RecordedMetrics } from '@fnfleet/core';
import type { ChangeLog, RecordedChange } from '../datastore/datastore.js';
import { TestApi } from '../test-kit/test-api.js';
import { ChangeFeeds } from './change-feeds.js';
import { EventStream } from './event-stream.js';
import type { FeedReader } from './feed-reader.js';

const metrics = RecordedMetrics.install();
const CHANGE = { kind: 'fn', action: 'updated', id: 'fn1', appId: 'app1' } as const;
beforeEach(() => metrics.reset());

describe('a client of GET /v2/changes', () => {
  let api: TestApi;
  beforeEach(async () => {
    api = await TestApi.start({ env: { FN_FEED_HEARTBEAT_MSECS: '100', FN_FEED_MAX_READERS: '50' } });
  });
  afterEach(async () => {
    // Whatever happened, an ordinary request is served, and feeds do not delay the end of the node.
    expect(await api.post('/v2/apps', { name: 'after' })).toMatchObject({ status: 200 });
    expect(await api.server.drain({ graceMs: 10_000 })).toBe('drained');
    await eventually(() => expect(metrics.sum('feed_readers')).toBe(0));
  });

  it('gets the current position at once, and then every change in order', async () => {
    await api.app('before');
    const client = await Client.open(api.url);
    const [first] = await client.events(1);
    expect(first).toEqual({ id: expect.any(String), event: 'reset', data: {} });
    const appId = await api.app('shop');
    const fnId = await api.fn(appId, 'cart');
    const triggerId = await api.trigger(appId, fnId, 'hot', '/hot');
    await api.put(`/v2/triggers/${triggerId}`, { source: '/cold' });
    await api.put(`/v2/fns/${fnId}`, { memory: 256 });
    await api.delete(`/v2/apps/${appId}`);
    const fn = { kind: 'fn', id: fnId, app_id: appId, name: 'cart' };
    const trigger = { kind: 'trigger', id: triggerId, app_id: appId, name: 'hot' };
    expect((await client.events(7)).slice(1).map(({ data }) => data)).toEqual([
      { kind: 'app', action: 'created', id: appId, app_id: appId, name: 'shop' },
      { ...fn, action: 'created' },
      { ...trigger, action: 'created', sources: ['/hot'] },
      { ...trigger, action: 'updated', sources: expect.arrayContaining(['/hot', '/cold']) },
      { ...fn, action: 'updated' },
      { kind: 'app', action: 'deleted', id: appId, app_id: appId, name: 'shop' },
    ]);
    expect(metrics.sum('feed_changes_sent')).toBe(6);
    client.close();
  });

  it.each`
    how                       | open
    ${'Last-Event-ID'}        | ${(cursor: string) => Client.open(api.url, '', { 'last-event-id': cursor })}
    ${'the parameter cursor'} | ${(cursor: string) => Client.open(api.url, `?cursor=${encodeURIComponent(cursor)}`)}
  `('continues after a break where it was, with $how', async ({ open }) => {
    const client = await Client.open(api.url);
    await api.app('a');
    const [, { id: cursor }] = (await client.events(2)) as [unknown, Event];
    client.close();
    for (let n = 0; n < 250; n += 1) await api.app(`missed-${n}`);
    const again = await open(cursor);
    const names = (await again.events(250)).map(({ data }: Event) => data.name);
    expect(names).toEqual(Array.from({ length: 250 }, (_, n) => `missed-${n}`));
    await api.app('live');
    expect((await again.events(251))[250].data.name).toBe('live');
    again.close();
  });

  it.each([
    ['was never given out', '0-nonsense'],
    ['is of another database', `7-${'x'.repeat(12)}`],
    ['is 4 KiB long', 'x'.repeat(4096)],
    ['is no text', '%00%ff'],
  ])('whose position %s is told to forget everything', async (_what, cursor) => {
    const client = await Client.open(api.url, `?cursor=${cursor}`);
    expect((await client.events(1))[0]?.event).toBe('reset');
    client.close();
  });

  it('gets signs of life when nothing changes, also after a known position', async () => {
    const client = await Client.open(api.url);
    const [{ id }] = (await client.events(1)) as [Event];
    client.close();
    const again = await Client.open(api.url, '', { 'last-event-id': id });
    expect(again.heartbeatMs).toBe('100');
    await eventually(() => expect(again.received.match(/^:$/gm)?.length).toBeGreaterThan(2));
    expect(await again.events(0)).toEqual([]);
    again.close();
  });

  it('is one of at most so many as FN_FEED_MAX_READERS says; those that leave make room', async () => {
    const clients = await Promise.all(Array.from({ length: 50 }, () => Client.open(api.url)));
    const refused = await api.get('/v2/changes');
    expect(refused).toMatchObject({ status: 503, text: expect.stringContaining('no more change feeds') });
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(metrics.sum('feed_readers')).toBe(50);
    clients[0]?.close();
    await eventually(async () => (await Client.open(api.url)).close());
    await api.app('seen');
    await Promise.all(clients.slice(1).map((client) => client.events(2)));
    for (const client of clients) client.close();
  });

  it('that never reads is disconnected, and holds nothing', async () => {
    const quick = await Client.open(api.url);
    const { hostname, port } = new URL(api.url);
    const silent = connect(Number(port), hostname);
    silent.on('error', () => undefined);
    silent.pause();
    silent.write('GET /v2/changes HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await eventually(() => expect(metrics.sum('feed_readers')).toBe(2));
    const appId = await api.app('busy');
    const fnId = await api.fn(appId, 'fn');
    const longName = 'x'.repeat(2_000);
    const triggerId = await api.trigger(appId, fnId, 'trigger', `/${longName}`);
    // The kernel takes a few megabytes before the node notices.
    let written = 0;
    while (metrics.sum('feed_readers_dropped') === 0) {
      written += 1;
      if (written > 20_000) throw new Error('the reader is not dropped');
      await api.put(`/v2/triggers/${triggerId}`, { source: `/${longName}${written % 2}` });
    }
    await closed(silent);
    await eventually(() => expect(metrics.sum('feed_readers')).toBe(1));
    expect((await quick.events(4 + written)).at(-1)?.data.action).toBe('updated');
    quick.close();
  }, 120_000);

  it('gets everything that it was too slow for once it reads', async () => {
    const written: number[] = [];
    const server = createServer((_req, res) => {
      const stream = new EventStream(res, 1_000);
      const write = () => {
        for (; !stream.isFull && written.length < 20_000; written.push(1)) {
          stream.send([{ ...CHANGE, name: 'x'.repeat(2_000), position: `${written.length}` }]);
        }
        if (written.length === 20_000) stream.end();
      };
      stream.onReadable(write);
      write();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const answer = await new Promise<IncomingMessage>((resolve) => {
      get({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' }, resolve);
    });
    for (let before = -1; before !== written.length; ) {
      before = written.length;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(written.length).toBeLessThan(20_000);
    let received = 0;
    for await (const chunk of answer)
      received += (chunk as Buffer).toString('latin1').split('event: change').length - 1;
    expect(written).toHaveLength(20_000);
    expect(received).toBeGreaterThan(19_000);
    await new Promise((resolve) => server.close(resolve));
  });

  it('ends with the node, which it does not hold up', async () => {
    const client = await Client.open(api.url);
    await client.events(1);
    expect(await api.server.drain({ graceMs: 60_000 })).toBe('drained');
    await client.ended;
    api = await TestApi.start();
  });

  it('must be an operator, as for the other routes', async () => {
    const refusing = await TestApi.start({
      guard: {
        check: (_req, access) => {
          if (access === 'operator') throw new FnError('operatorOnly');
        },
      } as NonNullable<Parameters<typeof TestApi.start>[0]>['guard'],
    });
    expect((await refusing.get('/v2/changes')).status).toBe(401);
    await refusing.close();
  });

  it.each(['POST', 'PUT', 'DELETE', 'HEAD'])('uses GET: %s is 405', async (method) => {
    expect((await api.send(method, '/v2/changes')).status).toBe(405);
  });
});

describe('the readers of a node', () => {
  let clock: FakeClock;
  let log: FakeLog;
  let feeds: ChangeFeeds;
  beforeEach(() => {
    clock = new FakeClock();
    log = new FakeLog();
    feeds = new ChangeFeeds(log, { maxReaders: 10, heartbeatMs: 1_000, clock, random: () => 0 });
  });
  afterEach(() => {
    feeds.close();
    expect([clock.pendingTimers, log.listeners, metrics.sum('feed_readers')]).toEqual([0, 0, 0]);
  });
  const settled = () => clock.advance(0);

  it('E2: share one query for each change, however many they are', async () => {
    const readers = Array.from({ length: 10 }, () => new FakeReader());
    for (const reader of readers) feeds.add(reader);
    await settled();
    log.queries.length = 0;
    log.add('a', 'b');
    await settled();
    log.add('c');
    await settled();
    expect(new Set(readers.map(({ got }) => got.join()))).toEqual(new Set(['reset 0,a,b,c']));
    expect(log.queries).toEqual(['0', 'b']);
  });

  it('E1: one that was away joins the others, with no change twice and none missing', async () => {
    log.add(...Array.from({ length: 250 }, (_, n) => `${n}`));
    const [ahead, behind] = [new FakeReader(), new FakeReader()];
    feeds.add(ahead);
    feeds.add(behind, '10');
    log.add('new');
    await settled();
    log.add('newer');
    await settled();
    expect(ahead.got.slice(-1)).toEqual(['newer']);
    const all = [...Array.from({ length: 239 }, (_, n) => `${n + 11}`), 'new', 'newer'];
    expect(behind.got).toEqual(all);
  });

  it('E1: changes while a query is under way are not missed', async () => {
    const reader = new FakeReader();
    feeds.add(reader);
    await settled();
    const gate = Promise.withResolvers<void>();
    log.gate = gate.promise;
    log.add('a');
    await settled();
    log.gate = undefined;
    log.add('b');
    gate.resolve();
    await settled();
    expect(reader.got).toEqual(['reset 0', 'a', 'b']);
  });

  it('E1: one whose position is no longer kept is told to forget everything, and so is a live one', async () => {
    log.add('a', 'b');
    const [old, live] = [new FakeReader(), new FakeReader()];
    feeds.add(live);
    await settled();
    feeds.add(old, 'gone');
    log.restore('other');
    await settled();
    expect([old.got, live.got]).toEqual([['reset other'], ['reset b', 'reset other']]);
  });

  it('E3: one that is full gets no more, holds no other up, and gets the rest later', async () => {
    const [slow, quick] = [new FakeReader(), new FakeReader()];
    feeds.add(slow);
    feeds.add(quick);
    await settled();
    slow.isFull = true;
    log.add('a');
    await settled();
    log.add('b');
    await settled();
    expect([slow.got, quick.got]).toEqual([['reset 0'], ['reset 0', 'a', 'b']]);
    await clock.advance(1_000);
    slow.drain();
    await clock.advance(1_000);
    expect(slow.got).toEqual(['reset 0', 'a', 'b']);
    slow.isFull = true;
    await clock.advance(2_000);
    expect([slow.dropped, quick.dropped]).toEqual([true, false]);
    expect(metrics.sum('feed_readers')).toBe(1);
  });

  it('keep waiting while the database is away, and miss nothing; a new one is told so at once', async () => {
    const reader = new FakeReader();
    feeds.add(reader);
    await settled();
    log.failure = new Error('the disk is on fire');
    log.add('a');
    await settled();
    const late = new FakeReader();
    feeds.add(late);
    await settled();
    expect(late.failed).toBe(log.failure);
    await clock.advance(1_000);
    log.failure = undefined;
    await clock.advance(5_000);
    expect(reader.got.filter((what) => what !== 'beat')).toEqual(['reset 0', 'a']);
    expect(metrics.sum('feed_readers')).toBe(1);
  });

  it('in the same process are told of changes too, and keep waiting while the database is away', async () => {
    const told: string[] = [];
    log.failure = new Error('away');
    feeds.follow({
      onReset: () => void told.push('reset'),
      onChanges: (changes) => void told.push(...changes.map(({ name }) => name)),
    });
    await clock.advance(1_000);
    log.failure = undefined;
    await clock.advance(5_000);
    log.add('a');
    await settled();
    feeds.endStreams();
    log.add('b');
    await settled();
    expect(told).toEqual(['reset', 'a', 'b']);
  });

  it('E4: end with the node, and no new one is accepted', async () => {
    const reader = new FakeReader();
    feeds.add(reader);
    await settled();
    feeds.close();
    expect(reader.ended).toBe(true);
    expect(() => feeds.openStream({} as never, {} as never)).toThrow('no more change feeds');
  });
});

/** Repeats until it does not throw. */
async function eventually(act: () => void | Promise<void>): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await act();
    } catch (error) {
      if (tries > 2_000) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

interface Event {
  readonly id: string;
  readonly event: string;
  readonly data: Record<string, unknown>;
}

/** Reads a change feed over HTTP. */
class Client {
  received = '';

  readonly ended: Promise<void>;

  private constructor(private readonly answer: IncomingMessage) {
    this.ended = new Promise((resolve) => answer.once('close', () => resolve()));
    answer.setEncoding('utf8');
    answer.on('data', (text) => {
      this.received += text;
    });
    answer.on('error', () => undefined);
  }

  static async open(url: string, query = '', headers: Record<string, string> = {}): Promise<Client> {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      request(`${url}/v2/changes${query}`, { headers, agent: false }, resolve).on('error', reject).end();
    });
    if (answer.statusCode !== 200) {
      answer.resume();
      throw new Error(`${answer.statusCode}`);
    }
    expect(answer.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    return new Client(answer);
  }

  get heartbeatMs(): unknown {
    return this.answer.headers['fn-heartbeat-msecs'];
  }

  async events(atLeast: number): Promise<Event[]> {
    let events: Event[] = [];
    await eventually(() => {
      const blocks = this.received.split('\n\n').slice(0, -1);
      events = blocks.filter((block) => block !== ':').map(parsed);
      expect(events.length).toBeGreaterThanOrEqual(atLeast);
    });
    return events;
  }

  close(): void {
    this.answer.destroy();
  }
}

function parsed(block: string): Event {
  const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)));
  return { id: fields.id, event: fields.event, data: JSON.parse(fields.data) };
}

function closed(socket: Socket): Promise<void> {
  socket.resume();
  return new Promise((resolve) => (socket.closed ? resolve() : socket.once('close', () => resolve())));
}

class FakeLog implements ChangeLog {
  readonly queries: string[] = [];
  failure: Error | undefined;
  gate: Promise<void> | undefined;
  private positions = ['0'];
  private readonly wakes = new Set<() => void>();

  get listeners(): number {
    return this.wakes.size;
  }

  add(...names: string[]): void {
    this.positions.push(...names);
    for (const wake of this.wakes) wake();
  }

  /** The database is replaced by another one. */
  restore(position: string): void {
    this.positions = [position];
    for (const wake of this.wakes) wake();
  }

  async latest(): Promise<string> {
    if (this.failure) throw this.failure;
    return this.positions.at(-1) ?? '';
  }

  async after(position: string, limit: number): Promise<readonly RecordedChange[] | undefined> {
    this.queries.push(position);
    const at = this.positions.indexOf(position);
    const found = this.positions.slice(at + 1, at + 1 + limit);
    await this.gate;
    if (this.failure) throw this.failure;
    if (at < 0) return undefined;
    return found.map((name) => ({ kind: 'fn', action: 'updated', id: name, appId: 'app', name, position: name }));
  }

  subscribe(listener: () => void): () => void {
    this.wakes.add(listener);
    return () => this.wakes.delete(listener);
  }
}

class FakeReader implements FeedReader {
  readonly got: string[] = [];
  isFull = false;
  dropped = false;
  ended = false;
  failed: unknown;
  private listener: () => void = () => undefined;

  get hasBegun(): boolean {
    return this.got.length > 0;
  }

  onReadable(listener: () => void): void {
    this.listener = listener;
  }

  drain(): void {
    this.isFull = false;
    this.listener();
  }

  reset(position: string): void {
    this.got.push(`reset ${position}`);
  }

  send(changes: readonly RecordedChange[]): void {
    this.got.push(...changes.map(({ name }) => name));
  }

  beat(): void {}

  fail(error: unknown): boolean {
    this.failed = error;
    return true;
  }

  end(): void {
    this.ended = true;
  }

  drop(): void {
    this.dropped = true;
  }
}

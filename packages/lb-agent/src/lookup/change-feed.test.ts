// takes: 3 s
import { FakeClock, MIB, RecordedMetrics } from '@fnfleet/core';
import { eventually } from '@fnfleet/testing';
import { eventText, FakeFeed } from '../test-kit/fake-feed.js';
import { ApiNode } from './api-node.js';
import { ApiNodes } from './api-nodes.js';
import { ChangeFeed } from './change-feed.js';
import { type ServerSentEvent, ServerSentEvents } from './server-sent-events.js';

const metrics = RecordedMetrics.install();

const CHANGE = { kind: 'fn', action: 'updated', id: 'fn1', app_id: 'app1', name: 'cart' };

let clock: FakeClock;
let node: FakeFeed;
let other: FakeFeed;
let nodes: ApiNodes;
let feed: ChangeFeed;
/** What the balancer was told: `reset`, or the name of what changed. */
let told: string[];

beforeEach(async () => {
  metrics.reset();
  clock = new FakeClock();
  told = [];
  node = await new FakeFeed().start();
  other = await new FakeFeed().start();
});
afterEach(async () => {
  jest.restoreAllMocks();
  await feed.close();
  await nodes.close();
  await node.close();
  await other.close();
  expect(clock.pendingTimers).toBe(0);
  expect(metrics.sum('lb_feed_connected')).toBe(0);
});

function follow(...urls: string[]): void {
  nodes = new ApiNodes(urls.join(','), { clock, random: () => 0 });
  feed = new ChangeFeed({
    nodes,
    headers: { authorization: 'Bearer sesame' },
    clock,
    random: () => 0,
    listener: {
      onReset: () => void told.push('reset'),
      onChanges: (changes) => void told.push(...changes.map(({ name }) => name)),
    },
  });
  feed.start();
}

const hears = (...expected: string[]) => eventually(() => expect(told).toEqual(expected));
/** Lets pauses pass until the feed has asked for a position so many times. */
async function asksAgain(from: FakeFeed, times: number): Promise<void> {
  await eventually(async () => {
    await clock.advance(50);
    expect(from.asked.length).toBeGreaterThanOrEqual(times);
  });
}

describe('a balancer that follows the changes', () => {
  it('considers everything outdated when it connects, and hears of each change', async () => {
    follow(node.address);
    await hears('reset');
    expect(feed.connectedTo?.url).toBe(`http://${node.address}`);
    expect(metrics.sum('lb_feed_connected')).toBe(1);
    node.change('1', CHANGE);
    node.change('2', { ...CHANGE, kind: 'trigger', name: 'hot', sources: ['/a', '/b'] });
    await hears('reset', 'cart', 'hot');
    expect(metrics.sum('lb_feed_change_count')).toBe(2);
  });

  it.each`
    what            | cut
    ${'broken'}     | ${() => node.cut()}
    ${'ended'}      | ${() => node.open.at(-1)?.end()}
    ${'cut inside'} | ${() => node.cutInside('id: 2\nevent: change\nda')}
  `('G1: continues where it was after the feed was $what', async ({ cut }) => {
    follow(node.address);
    await hears('reset');
    node.change('1', CHANGE);
    await hears('reset', 'cart');
    cut();
    await asksAgain(node, 2);
    expect(node.asked).toEqual(['-', '1']);
    await eventually(() => expect(node.open).toHaveLength(1));
    node.change('2', { ...CHANGE, name: 'missed' });
    await hears('reset', 'cart', 'missed');
  });

  it('G1: continues at another node, at once', async () => {
    follow(node.address, other.address);
    await hears('reset');
    node.change('1', CHANGE);
    await hears('reset', 'cart');
    const from = clock.now();
    await node.close();
    await eventually(() => expect(other.asked).toEqual(['1']));
    expect(clock.now()).toBe(from);
  });

  it('G1: forgets everything when its position is unknown', async () => {
    follow(node.address);
    await hears('reset');
    node.behaviour = (res) => {
      node.begin(res);
      res.write('id: 77\nevent: reset\ndata: {}\n\n');
    };
    node.cut();
    await asksAgain(node, 2);
    await hears('reset', 'reset');
    node.cut();
    await asksAgain(node, 3);
    expect(node.asked).toEqual(['-', '0', '77']);
  });

  it('G2: notices a feed that was cut silently by three missing signs of life', async () => {
    follow(node.address, other.address);
    await hears('reset');
    const awaited = jest.spyOn(clock, 'after');
    for (let second = 0; second < 10; second += 1) {
      node.send(':\n\n');
      // It waits anew once it has read the sign of life.
      await eventually(() => expect(awaited).toHaveBeenCalledTimes(second + 1));
      await clock.advance(1_000);
    }
    expect(other.asked).toEqual([]);
    await clock.advance(3_000);
    await eventually(() => expect(other.asked).toEqual(['0']));
  });

  it('moves when lookups find that its node does not answer', async () => {
    follow(node.address, other.address);
    await hears('reset');
    const [current, next] = nodes.all;
    if (current && next) nodes.noteAnswer(next, [current]);
    await eventually(() => expect(other.asked).toEqual(['0']));
    await eventually(() => expect(node.open).toEqual([]));
  });

  it('connects less and less often to a node that breaks each feed, five seconds at most', async () => {
    node.behaviour = (res) => void res.destroy();
    const opens = jest.spyOn(ApiNode.prototype, 'open');
    follow(node.address);
    const times: number[] = [];
    for (let elapsed = 0; elapsed < 20_000; elapsed += 50) {
      // No time passes while it connects: only its pauses count.
      while (metrics.sum('lb_feed_failure_count') < opens.mock.calls.length) await new Promise(setImmediate);
      const before = opens.mock.calls.length;
      await clock.advance(50);
      if (opens.mock.calls.length > before) times.push(clock.now());
    }
    const pauses = times.map((at, n) => at - (times[n - 1] ?? 0));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(2_600);
    expect(pauses.at(-1)).toBeGreaterThan(pauses[0] ?? 0);
    expect(times.length).toBeLessThan(16);
  });

  it.each`
    who                              | status | type
    ${'an API node of Fn'}           | ${404} | ${'application/json'}
    ${'a node that has removed it'}  | ${410} | ${'application/json'}
    ${'one with that path for POST'} | ${405} | ${'application/json'}
    ${'a web server'}                | ${200} | ${'text/html'}
  `('uses another node in place of $who, which it asks again after minutes', async ({ status, type }) => {
    node.behaviour = (res) => void res.writeHead(status, { 'Content-Type': type }).end('{}');
    follow(node.address, other.address);
    await hears('reset');
    await feed.close();
    await nodes.close();
    expect([node.asked.length, other.asked.length]).toEqual([1, 1]);
    follow(node.address);
    await eventually(() => expect([node.asked.length, clock.pendingTimers]).toEqual([2, 1]));
    await clock.advance(149_000);
    expect(node.asked).toHaveLength(2);
    await clock.advance(1_000);
    await eventually(() => expect(node.asked).toHaveLength(3));
    expect(metrics.sum('lb_feed_failure_count')).toBe(0);
  });

  it('ends at once when it is closed, whatever it does', async () => {
    node.behaviour = () => undefined;
    follow(node.address);
    await eventually(() => expect(node.asked).toHaveLength(1));
    await feed.close();
    await feed.close();
  });
});

describe('a hostile feed', () => {
  const endless = (line: string) => () => {
    node.behaviour = (res) => {
      node.begin(res);
      const more = () => {
        while (!res.destroyed && res.write(line)) sent += line.length;
      };
      res.on('drain', more);
      more();
    };
  };
  const says = (text: string) => () => {
    node.behaviour = (res) => {
      node.begin(res);
      res.write(text);
    };
  };
  let sent = 0;

  it.each`
    what                                     | sends                                                                   | forgets
    ${'a line without an end'}               | ${endless('x'.repeat(64 * 1024))}                                       | ${true}
    ${'an event without an end'}             | ${endless('data: x\n')}                                                 | ${true}
    ${'an event of 1 MB'}                    | ${says(eventText('9', { ...CHANGE, name: 'x'.repeat(MIB) }))}           | ${true}
    ${'what is not JSON'}                    | ${says('id: 9\nevent: change\ndata: {nonsense\n\n')}                    | ${true}
    ${'null'}                                | ${says('id: 9\nevent: change\ndata: null\n\n')}                         | ${true}
    ${'a change without an id'}              | ${says(eventText('9', { ...CHANGE, id: undefined }))}                   | ${true}
    ${'a change of an unknown action'}       | ${says(eventText('9', { ...CHANGE, action: 'exploded' }))}              | ${true}
    ${'sources that are not a list'}         | ${says(eventText('9', { ...CHANGE, kind: 'trigger', sources: 'abc' }))} | ${true}
    ${'sources that are not texts'}          | ${says(eventText('9', { ...CHANGE, kind: 'trigger', sources: [1] }))}   | ${true}
    ${'a position of 4 KB'}                  | ${says(eventText('9'.repeat(4096), CHANGE))}                            | ${true}
    ${'a position that no header can carry'} | ${says(eventText('9\r\u00e4', CHANGE))}                                 | ${true}
    ${'an empty position'}                   | ${says(eventText('', CHANGE))}                                          | ${true}
  `('that sends $what is cut, and begins anew', async ({ sends }) => {
    sends();
    follow(node.address);
    // From then on it behaves.
    await eventually(() => expect(metrics.sum('lb_feed_failure_count')).toBe(1));
    node.behaviour = (res) => node.begin(res);
    await asksAgain(node, 2);
    expect(node.asked.slice(0, 2)).toEqual(['-', '-']);
    await eventually(() => expect(node.open).toHaveLength(1));
    node.change('1', { ...CHANGE, name: 'ordinary' });
    await eventually(() => expect(told.at(-1)).toBe('ordinary'));
    expect(sent).toBeLessThan(20 * MIB);
  });

  it.each`
    what                        | text                                                                       | hears
    ${'comments only'}          | ${':\n\n: x\n\n'.repeat(100_000)}                                          | ${[]}
    ${'events of a later time'} | ${'id: 5\nevent: weather\ndata: rain\n\n'}                                 | ${[]}
    ${'kinds of a later time'}  | ${eventText('5', { kind: 'queue', action: 'created', id: 'q' })}           | ${[]}
    ${'a change twice'}         | ${eventText('5', CHANGE) + eventText('5', CHANGE)}                         | ${['cart', 'cart']}
    ${'changes out of order'}   | ${eventText('6', CHANGE) + eventText('5', { ...CHANGE, name: 'earlier' })} | ${['cart', 'earlier']}
    ${'line ends of Windows'}   | ${eventText('5', CHANGE).replaceAll('\n', '\r\n')}                         | ${['cart']}
    ${'fields without a space'} | ${eventText('5', CHANGE).replaceAll(': ', ':')}                            | ${['cart']}
  `('that sends $what is followed on', async ({ text, hears: expected }) => {
    follow(node.address);
    await hears('reset');
    node.send(text);
    node.change('7', { ...CHANGE, name: 'ordinary' });
    await hears('reset', ...expected, 'ordinary');
    node.cut();
    await asksAgain(node, 2);
    expect(node.asked).toEqual(['-', '7']);
  });

  it('that sends a change byte by byte, with letters of several bytes, is understood', async () => {
    follow(node.address);
    await hears('reset');
    for (const byte of Buffer.from(eventText('1', { ...CHANGE, name: 'Grüße' }))) {
      node.send(Buffer.from([byte]));
      await new Promise(setImmediate);
    }
    await hears('reset', 'Grüße');
  });

  it.each`
    what                     | behaviour
    ${'never answers'}       | ${() => undefined}
    ${'never ends its head'} | ${(res: import('node:http').ServerResponse) => void res.socket?.write('HTTP/1.1 200 OK\r\nX-A: b\r\n')}
  `('of a node that $what is given up after five seconds', async ({ behaviour }) => {
    node.behaviour = behaviour;
    follow(node.address, other.address);
    await eventually(() => expect(node.asked).toHaveLength(1));
    await clock.advance(5_000);
    await hears('reset');
    expect(other.asked).toEqual(['-']);
  });

  it('of a node with a head of 1 MB is given up', async () => {
    node.behaviour = (res) => void res.socket?.write(`HTTP/1.1 200 OK\r\nX-A: ${'b'.repeat(MIB)}\r\n\r\n`);
    follow(node.address, other.address);
    await hears('reset');
    expect(other.asked).toEqual(['-']);
  });

  it('of a node that says that it is silent for a year is found dead after three minutes', async () => {
    node.behaviour = (res) => {
      res.setHeader('X', 'y');
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Fn-Heartbeat-Msecs': '1e12' }).flushHeaders();
    };
    follow(node.address, other.address);
    await eventually(() => expect(metrics.sum('lb_feed_connected')).toBe(1));
    await clock.advance(180_000);
    await hears('reset');
  });
});

describe('events of a stream', () => {
  const parse = (...parts: string[]) => {
    const events = new ServerSentEvents();
    return parts.flatMap((part) => events.push(part));
  };

  it.each<[string, string, Partial<ServerSentEvent>[]]>([
    ['one', 'id: 1\nevent: a\ndata: x\n\n', [{ id: '1', event: 'a', data: 'x' }]],
    ['data of several lines', 'data: x\ndata:  y\n\n', [{ event: 'message', data: 'x\n y' }]],
    ['no data', 'id: 1\n\n', []],
    ['unknown fields', 'retry: 5\nfoo\ndata: x\n\n', [{ data: 'x' }]],
    ['an id with NUL', 'id: a\0b\ndata: x\n\n', [{ id: undefined, data: 'x' }]],
    ['a comment inside', 'data: x\n: y\n\n', [{ data: 'x' }]],
    ['an unfinished one', 'data: x\n', []],
  ])('%s', (_what, text, expected) => {
    expect(parse(text)).toEqual(expected.map((event) => expect.objectContaining(event)));
    expect(parse(...text)).toEqual(parse(text));
  });

  it('may follow without an end, and only each is bounded', () => {
    const events = new ServerSentEvents();
    for (let n = 0; n < 1_000; n += 1)
      expect(events.push(`${':'.repeat(1_000)}\ndata: ${'x'.repeat(1_000)}\n\n`)).toHaveLength(1);
    expect(() => events.push(`data: ${'x'.repeat(70_000)}`)).toThrow('an event of more than');
  });
});

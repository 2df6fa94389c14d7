// takes: 15 s
import {
  decodeQueuedRequest,
  FakeClock,
  FnError,
  type Logger,
  later,
  type MetricName,
  type MonoMs,
  RecordedMetrics,
  readMetrics,
  silentLogger,
  type Trigger,
  wallMs,
} from '@fnfleet/core';
import { changedTrigger, newApp, newFn, newTrigger } from '@fnfleet/core/resources';
import { type MessageQueue, openSqliteQueue } from '@fnfleet/queue';
import type { Datastore, Leader, ScheduleStore } from '../datastore/datastore.js';
import { openDatastore } from '../datastore/open-datastore.js';
import { Scheduler } from './scheduler.js';

const metrics = RecordedMetrics.install();

/** Knows how many wait for it to advance. */
class WatchedClock extends FakeClock {
  asleep = 0;
  /** Passes while nobody sleeps. */
  worked = 0;
  readonly sleeps: number[] = [];

  override now(): MonoMs {
    return later(super.now(), this.worked);
  }

  override async sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    this.sleeps.push(delayMs);
    this.asleep += 1;
    await super.sleep(delayMs, signal);
    this.asleep -= 1;
  }
}

const MIDNIGHT = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

let clock: WatchedClock;
let store: Datastore;
let queue: MessageQueue;
let nodes: Scheduler[];

beforeEach(async () => {
  clock = new WatchedClock(MIDNIGHT);
  store = await openDatastore('sqlite3://:memory:');
  queue = await openSqliteQueue({ path: ':memory:' });
  nodes = [];
  await store.apps.insert(newApp({ name: 'shop' }, 'shop', clock.wallNow()));
  await store.fns.insert(newFn({ name: 'f', appId: 'shop', image: 'img' }, 'f', clock.wallNow()));
});
afterEach(async () => {
  await Promise.all(nodes.map((node) => node.close()));
  expect(clock.pendingTimers).toBe(0);
  await queue.close();
  await store.close();
  metrics.reset();
});

interface Replaced {
  readonly schedules?: Partial<ScheduleStore>;
  readonly queue?: Partial<MessageQueue>;
  readonly open?: () => Promise<MessageQueue>;
  readonly logger?: Logger;
}

function node({ schedules, queue: over, open, logger = silentLogger }: Replaced = {}): Scheduler {
  const used = over === undefined ? queue : Object.assign(Object.create(queue) as MessageQueue, over);
  const started = new Scheduler({
    store: { schedules: { ...store.schedules, ...schedules } },
    queue: { exists: true, open: open ?? (async () => used) },
    clock,
    logger,
  });
  nodes.push(started);
  return started;
}

async function stop(which: Scheduler): Promise<void> {
  nodes.splice(nodes.indexOf(which), 1);
  await which.close();
}

/** Every node has done what it does at this time. */
async function settled(): Promise<void> {
  while (clock.asleep < nodes.length) await new Promise((resolve) => setImmediate(resolve));
}

/** Long steps pass a second more: a node that is still at work at the end of a step looks at the clock up to a second later. */
async function pass(ms: number, stepMs = 1_000): Promise<void> {
  await settled();
  for (let left = stepMs > 1_000 ? ms + 1_000 : ms; left > 0; left -= stepMs) {
    await clock.advance(Math.min(stepMs, left));
    await settled();
  }
}

function schedule(source: string, options?: object, more: { id?: string; fnId?: string } = {}): Promise<Trigger> {
  const { id = 't', fnId = 'f' } = more;
  const annotations = options === undefined ? {} : { 'fnfleet/schedule': options };
  const input = { name: id, appId: 'shop', fnId, type: 'schedule', source, annotations };
  return store.triggers.insert(newTrigger(input, id, clock.wallNow()));
}

const exported = (name: MetricName) => {
  // Nodes that tests let hang do not end.
  const point = readMetrics()
    .find((metric) => metric.name === name)
    ?.points.at(-1);
  return point !== undefined && 'value' in point ? point.value : undefined;
};

/** The instants that have fired, as times of the day, in the order of the calls. */
async function fired(fnId = 'f'): Promise<string[]> {
  const { calls } = await queue.list({ fnId, limit: 1_000 });
  const heads = await Promise.all(calls.map(async ({ callId }) => (await queue.payload(callId))?.head ?? ''));
  return heads
    .map((head) => String(decodeQueuedRequest(head).headers['Fn-Schedule-Due']))
    .sort()
    .map((due) =>
      due
        .replace('2026-01-01T', '')
        .replace('2026-01-', 'Jan ')
        .replace(/(:00)?Z$/, ''),
    );
}

const counted = (name: MetricName) => metrics.sum(name);

describe('a schedule', () => {
  it('calls its function at its instants, the first time after it was created', async () => {
    node();
    await pass(90_000);
    await schedule('* * * * *', { body: { report: 'daily' } });
    expect((await store.schedules.states(['t'])).get('t')).toEqual({
      nextAt: wallMs(MIDNIGHT + 120_000),
      firedAt: undefined,
    });
    await pass(150_000);
    expect(await fired()).toEqual(['00:02', '00:03', '00:04']);
    expect((await store.schedules.states(['t'])).get('t')).toEqual({
      nextAt: wallMs(MIDNIGHT + 300_000),
      firedAt: wallMs(MIDNIGHT + 240_000),
    });
    expect([counted('schedule_fired'), counted('schedule_missed'), counted('schedule_leader')]).toEqual([3, 0, 1]);

    const [delivery] = await queue.reserve({ holder: 'lb', limit: 1, leaseMs: 1_000 });
    expect(delivery).toMatchObject({ fnId: 'f', attempt: 1 });
    expect(Buffer.from(delivery?.body ?? []).toString()).toBe('{"report":"daily"}');
    expect(decodeQueuedRequest(delivery?.head ?? '')).toMatchObject({
      method: 'POST',
      headers: {
        'Fn-Schedule-Id': ['t'],
        'Fn-Schedule-Due': ['2026-01-01T00:02:00Z'],
        'Content-Type': ['application/json'],
      },
    });
  });

  it.each`
    options                                       | body         | type
    ${{}}                                         | ${''}        | ${undefined}
    ${{ body: 'plain' }}                          | ${'plain'}   | ${undefined}
    ${{ body: '<a/>', content_type: 'text/xml' }} | ${'<a/>'}    | ${['text/xml']}
    ${{ body: null }}                             | ${'null'}    | ${['application/json']}
    ${{ body: [1, 'é'] }}                         | ${'[1,"é"]'} | ${['application/json']}
  `('with the options $options sends what they say', async ({ options, body, type }) => {
    node();
    await schedule('* * * * *', options);
    await pass(60_000);
    const [delivery] = await queue.reserve({ holder: 'lb', limit: 1, leaseMs: 1_000 });
    expect(Buffer.from(delivery?.body ?? []).toString()).toBe(body);
    expect(decodeQueuedRequest(delivery?.head ?? '').headers['Content-Type']).toEqual(type);
  });

  it('may spread its calls: they wait in the queue, each schedule for a time of its own', async () => {
    node();
    await schedule('0 0 * * *', { spread_seconds: 3_600 });
    await schedule('* * * * *', { spread_seconds: 3_600 }, { id: 'u' });
    await pass(60_000);
    expect(await queue.stats()).toMatchObject({ delayed: 1, ready: 0 });
  });

  it('can wait longer than a timer can', async () => {
    node();
    await schedule('0 0 1 3 *');
    await clock.advance(59 * DAY_MS - 1_000);
    await pass(500, 500);
    expect(await fired()).toEqual([]);
    await pass(500, 500);
    expect(await fired()).toEqual(['2026-03-01T00:00']);
  });

  it.each`
    change                                                          | says                                             | fires
    ${{ source: '30 * * * *' }}                                     | ${'fires at its new instants'}                   | ${['00:01', '00:30']}
    ${{ annotations: { 'fnfleet/schedule': { paused: true } } }}    | ${'that is paused does not fire'}                | ${['00:01']}
    ${{ annotations: { 'fnfleet/schedule': { catch_up: 'all' } } }} | ${'with other options goes on after the change'} | ${['00:01', '00:11', '00:12']}
    ${{ annotations: { team: 'a' } }}                               | ${'whose instants stay the same misses none'}    | ${['00:01', '00:02', '00:11', '00:12']}
  `('changed while it is due to $change, $says', async ({ change, fires }) => {
    const first = node();
    await schedule('1-2,11-12,30 * * * *');
    await pass(119_000);
    await stop(first);
    clock.stepWall(30_000);
    await store.triggers.update('t', (current) => changedTrigger(current, change, clock.wallNow()));
    node();
    await pass(11 * 60_000);
    if (fires.includes('00:30')) await pass(20 * 60_000, 10_000);
    expect(await fired()).toEqual(fires);
  });

  it('goes on with the next instant after a pause', async () => {
    node();
    await schedule('* * * * *', { paused: true, catch_up: 'all' });
    await pass(150_000);
    const unpaused = { annotations: { 'fnfleet/schedule': { catch_up: 'all' } } };
    await store.triggers.update('t', (current) => changedTrigger(current, unpaused, clock.wallNow()));
    await pass(60_000);
    expect(await fired()).toEqual(['00:03']);
  });

  it.each`
    what                    | remove
    ${'is deleted'}         | ${() => store.triggers.remove('t')}
    ${'loses its function'} | ${() => store.fns.remove('f')}
    ${'loses its app'}      | ${() => store.apps.remove('shop')}
  `('that $what while it fires fires no more, and leaves nothing behind', async ({ remove }) => {
    const push: MessageQueue['push'] = async (message) => {
      await remove();
      return queue.push(message);
    };
    node({ queue: { push } });
    await schedule('* * * * *');
    await pass(180_000);
    expect(await fired()).toEqual(['00:01']);
    expect(await store.schedules.earliest()).toBeUndefined();
    expect((await store.schedules.states(['t'])).size).toBe(0);
  });

  it('that was changed while it fired is not moved on by the firing', async () => {
    let pushes = 0;
    const push: MessageQueue['push'] = async (message) => {
      pushes += 1;
      const change = { source: '0-59/2 * * * *' };
      if (pushes === 1)
        await store.triggers.update('t', (now) => changedTrigger(now, change, wallMs(MIDNIGHT + 59_000)));
      return queue.push(message);
    };
    node({ queue: { push } });
    await schedule('* * * * *');
    await pass(240_000);
    expect(await fired()).toEqual(['00:01', '00:02', '00:04']);
  });
});

describe('while no node runs', () => {
  it.each`
    catchUp   | forMs          | fires                                                                                | missed
    ${'none'} | ${3 * HOUR_MS} | ${['00:10', '03:20', '03:30']}                                                       | ${1}
    ${'one'}  | ${3 * HOUR_MS} | ${['00:10', '03:10', '03:20', '03:30']}                                              | ${1}
    ${'all'}  | ${HOUR_MS}     | ${['00:10', '00:20', '00:30', '00:40', '00:50', '01:00', '01:10', '01:20', '01:30']} | ${0}
  `('instants are missed; with catch-up $catchUp it fires $fires', async ({ catchUp, forMs, fires, missed }) => {
    const first = node();
    await schedule('*/10 * * * *', { catch_up: catchUp });
    await pass(12 * 60_000, 10_000);
    await stop(first);
    await clock.advance(forMs);
    node();
    await pass(20 * 60_000, 10_000);
    expect(await fired()).toEqual(fires);
    expect(counted('schedule_missed')).toBe(missed);
  });

  it('at most the last 100 instants are caught up', async () => {
    await schedule('*/10 * * * *', { catch_up: 'all' });
    await clock.advance(10 * DAY_MS + 5 * 60_000);
    node();
    await pass(1_000);
    const all = await fired();
    expect(all).toHaveLength(100);
    expect([all[0], all[99]]).toEqual(['Jan 10T07:30', 'Jan 11T00:00']);
    expect(counted('schedule_missed')).toBe(1);
  });

  it('instants that are less than a minute late are not missed', async () => {
    await schedule('*/10 * * * * *');
    await clock.advance(5 * 60_000 + 5_000);
    node();
    await pass(1_000);
    expect(await fired()).toEqual(['00:04:10', '00:04:20', '00:04:30', '00:04:40', '00:04:50', '00:05']);
  });
});

describe('a clock', () => {
  it('that is set back an hour fires nothing again, and goes on where it was', async () => {
    node();
    await schedule('*/10 * * * *', { catch_up: 'all' });
    await pass(HOUR_MS, 10_000);
    clock.stepWall(-HOUR_MS);
    await pass(HOUR_MS + 10 * 60_000, 10_000);
    expect(await fired()).toEqual(['00:10', '00:20', '00:30', '00:40', '00:50', '01:00', '01:10']);
  });

  it.each`
    catchUp   | fires
    ${'none'} | ${['00:10', 'Jan 02T00:20']}
    ${'one'}  | ${['00:10', 'Jan 02T00:10', 'Jan 02T00:20']}
  `('that is set forward a day is like a day without a node: catch-up $catchUp', async ({ catchUp, fires }) => {
    node();
    await schedule('*/10 * * * *', { catch_up: catchUp });
    await pass(12 * 60_000, 10_000);
    clock.stepWall(DAY_MS);
    await pass(10 * 60_000, 10_000);
    expect(await fired()).toEqual(fires);
  });

  it('that was years ahead does not silence schedules for years', async () => {
    clock.stepWall(5 * 365 * DAY_MS);
    const first = node();
    await schedule('*/10 * * * *');
    await pass(11 * 60_000, 10_000);
    await stop(first);
    clock.stepWall(-5 * 365 * DAY_MS);
    node();
    await pass(10 * 60_000, 10_000);
    expect(await fired()).toEqual(['00:20', expect.stringContaining('2030')]);
  });

  it('of a machine that was suspended: process time stands still, and the wall clock has gone on', async () => {
    node();
    await schedule('*/10 * * * *', { catch_up: 'one' });
    await pass(60_000);
    clock.stepWall(8 * HOUR_MS);
    await pass(2_000);
    expect(await fired()).toEqual(['08:00']);
  });
});

describe('several nodes', () => {
  it('fire each instant once', async () => {
    for (let i = 0; i < 3; i += 1) node();
    let pushes = 0;
    const push: MessageQueue['push'] = (message) => {
      pushes += 1;
      return queue.push(message);
    };
    node({ queue: { push } });
    await schedule('*/5 * * * * *');
    await pass(60_000);
    expect(await fired()).toHaveLength(12);
    expect([0, 12]).toContain(pushes);
    expect(counted('schedule_fired')).toBe(12);
    expect(counted('schedule_leader')).toBe(1);
  });

  it('follow a leader that is closed at once', async () => {
    const first = node();
    await schedule('*/2 * * * * *');
    await pass(10_000);
    node();
    await stop(first);
    await pass(10_000);
    expect(await fired()).toHaveLength(10);
    expect(counted('schedule_leader')).toBe(1);
  });

  it.each`
    what                                             | hangs
    ${'hangs before it pushes'}                      | ${{ due: () => new Promise<never>(() => undefined), beat: () => new Promise<never>(() => undefined) }}
    ${'hangs between the push and the record of it'} | ${{ advance: () => new Promise<never>(() => undefined), beat: () => new Promise<never>(() => undefined) }}
  `('replace a leader that $what within 6 s, and no instant is fired twice or lost', async ({ hangs }) => {
    const stuck = node({ schedules: hangs });
    await schedule('0 * * * * *', { catch_up: 'all' });
    await pass(59_500, 500);
    nodes.splice(nodes.indexOf(stuck), 1);
    stuck.end();
    await clock.advance(500);
    node();
    await pass(6_500, 500);
    expect(await fired()).toEqual(['00:01']);
    expect((await store.schedules.states(['t'])).get('t')?.nextAt).toEqual(wallMs(MIDNIGHT + 120_000));
    await pass(60_000);
    expect(await fired()).toEqual(['00:01', '00:02']);
  });

  it('do not replace a leader that is slow and says that it is alive', async () => {
    let release: () => void = () => undefined;
    const push: MessageQueue['push'] = async (message) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      return queue.push(message);
    };
    const slow = node({ queue: { push } });
    await schedule('* * * * *');
    await pass(59_000);
    await clock.advance(1_000);
    let before: Leader | undefined;
    while (before === undefined) before = await store.schedules.leader();
    nodes.splice(nodes.indexOf(slow), 1);
    node();
    await pass(20_000, 500);
    const after = await store.schedules.leader();
    expect(after?.holder).toBe(before?.holder);
    expect(after?.beat).toBeGreaterThan(before?.beat ?? 0);
    expect(await fired()).toEqual([]);
    release();
    nodes.push(slow);
    await settled();
    expect(await fired()).toEqual(['00:01']);
  });

  it('a leader that was replaced while it fired records nothing', async () => {
    const push: MessageQueue['push'] = async (message) => {
      const answer = await queue.push(message);
      await store.schedules.lead('other', await store.schedules.leader());
      return answer;
    };
    node({ queue: { push } });
    await schedule('* * * * *');
    await pass(60_000);
    expect((await store.schedules.states(['t'])).get('t')?.firedAt).toBeUndefined();
    expect(counted('schedule_leader')).toBe(0);
  });

  it('leave the lead to one whose queue can be opened', async () => {
    const unavailable = async (): Promise<MessageQueue> => {
      throw new FnError('queueUnavailable');
    };
    node({ open: unavailable });
    node();
    node({ open: unavailable });
    await schedule('* * * * *');
    await pass(60_000);
    await pass(500, 100);
    expect(await fired()).toEqual(['00:01']);
  });

  it('take the lead from one whose queue has become unavailable', async () => {
    let available = true;
    const open = async (): Promise<MessageQueue> => {
      if (available) return queue;
      throw new FnError('queueUnavailable');
    };
    node({ open });
    await schedule('*/10 * * * * *');
    await pass(10_000);
    node();
    available = false;
    await pass(10_000);
    await pass(1_000, 100);
    expect(await fired()).toEqual(['00:00:10', '00:00:20']);
  });
});

describe('a queue', () => {
  it('that is full is offered the call until it takes it, and the instant is not lost', async () => {
    let isFull = true;
    let tries = 0;
    const push: MessageQueue['push'] = (message) => {
      tries += 1;
      if (isFull) throw new FnError('queueFull', { params: { what: 'it has 3 calls' } });
      return queue.push(message);
    };
    node({ queue: { push } });
    await schedule('* * * * *');
    await pass(50 * 60_000, 5_000);
    expect(await fired()).toEqual([]);
    expect(tries).toBeLessThan(300);
    expect(counted('schedule_failed')).toBe(tries);
    expect(exported('schedule_late_seconds')).toBeGreaterThanOrEqual(49 * 60);
    isFull = false;
    await pass(15_000);
    expect(await fired()).toEqual(['00:50']);
    expect(exported('schedule_late_seconds')).toBe(0);
  });

  it('that refuses the calls of one function gets those of others', async () => {
    const push: MessageQueue['push'] = (message) => {
      if (message.fnId === 'f') throw new FnError('queueMessageTooBig', { params: { what: 'a', size: '1', max: '0' } });
      return queue.push(message);
    };
    await store.fns.insert(newFn({ name: 'g', appId: 'shop', image: 'img' }, 'g', clock.wallNow()));
    node({ queue: { push } });
    for (let i = 0; i < 150; i += 1) await schedule('* * * * *', {}, { id: `a${i}` });
    await schedule('* * * * *', {}, { id: 'z', fnId: 'g' });
    await pass(65_000);
    expect(await fired('g')).toEqual(['00:01']);
  });

  it('in which one function has its share delays no schedules of others, and the same node goes on to lead', async () => {
    let tries = 0;
    let hasRoom = false;
    const push: MessageQueue['push'] = (message) => {
      if (message.fnId !== 'f' || hasRoom) return queue.push(message);
      tries += 1;
      throw new FnError('queueShareFull', { params: { what: 'it has 9 of its 9 calls' } });
    };
    await store.fns.insert(newFn({ name: 'g', appId: 'shop', image: 'img' }, 'g', clock.wallNow()));
    for (let i = 0; i < 150; i += 1) await schedule('* * * * *', {}, { id: `a${i}` });
    await schedule('*/10 * * * * *', {}, { id: 'z', fnId: 'g' });
    node({ queue: { push } });
    await pass(30_000);
    node({ queue: { push } });
    await pass(9 * 60_000 + 30_000);
    const ofG = await fired('g');
    expect([ofG.length, new Set(ofG).size]).toEqual([60, 60]);
    expect(Math.max(...metrics.values('schedule_delay'))).toBeLessThanOrEqual(1_000);
    // Less and less often, and not once for each schedule.
    expect(tries).toBeGreaterThan(10);
    expect(tries).toBeLessThan(60);
    expect(metrics.values('schedule_leader').filter((change) => change !== 0)).toEqual([1]);
    hasRoom = true;
    await pass(20_000);
    expect((await fired()).length).toBeGreaterThanOrEqual(150);
  });

  it('that takes some of the instants that are caught up gets the rest later, each once', async () => {
    let room = 2;
    const push: MessageQueue['push'] = (message) => {
      if (room === 0) throw new FnError('queueFull', { params: { what: 'it has 3 calls' } });
      room -= 1;
      return queue.push(message);
    };
    await schedule('*/10 * * * *', { catch_up: 'all' });
    await clock.advance(50 * 60_000);
    node({ queue: { push } });
    await pass(1_000);
    expect(await fired()).toEqual(['00:10', '00:20']);
    room = 3;
    await pass(15_000);
    expect(await fired()).toEqual(['00:10', '00:20', '00:30', '00:40', '00:50']);
    expect(room).toBe(0);
  });
});

it('a schedule that another program has stored wrongly stops, and the others go on', async () => {
  await store.triggers.insert({ ...(await schedule('* * * * *', {}, { id: 'b' })), id: 'a', name: 'a' });
  await store.triggers.update('a', (trigger) => trigger);
  const due = store.schedules.due.bind(store.schedules);
  node({
    schedules: {
      due: async (...given) =>
        (await due(...given)).map((found) =>
          found.trigger.id === 'a' ? { ...found, trigger: { ...found.trigger, source: 'now and then' } } : found,
        ),
    },
  });
  await pass(120_000);
  expect(await fired()).toEqual(['00:01', '00:02']);
  expect((await store.schedules.states(['a'])).get('a')?.nextAt).toBeUndefined();
});

it('a database that fails is asked less and less often, and nothing is lost', async () => {
  let works = false;
  let asked = 0;
  const earliest = () => {
    asked += 1;
    return works ? store.schedules.earliest() : Promise.reject(new FnError('databaseBusy'));
  };
  node({ schedules: { earliest } });
  await schedule('*/10 * * * *', { catch_up: 'all' });
  await pass(20 * 60_000, 5_000);
  expect(asked).toBeLessThan(250);
  works = true;
  await pass(15_000);
  expect(await fired()).toEqual(['00:10', '00:20']);
});

it('a leader with many schedules to fire pauses as long as it works, so that others get their turns', async () => {
  for (let i = 0; i < 450; i += 1) await schedule('* * * * *', {}, { id: `t${String(i).padStart(4, '0')}` });
  const times = [40, 7_000, 60, 80, 50];
  const advance: ScheduleStore['advance'] = (holder, moves) => {
    clock.worked += times.shift() ?? 0;
    return store.schedules.advance(holder, moves);
  };
  node({ schedules: { advance }, queue: { push: async ({ callId }) => ({ callId, duplicate: false }) } });
  await pass(60_000);
  clock.sleeps.length = 0;
  await pass(1_000, 10);
  expect(clock.sleeps.slice(0, 3)).toEqual([250, 60, 80]);
  expect(times).toEqual([]);
  expect(await store.schedules.earliest()).toEqual(later(wallMs(MIDNIGHT), 120_000));
});

it('many schedules that miss firings at the same time do not fill the log', async () => {
  for (let i = 0; i < 50; i += 1) await schedule('* * * * *', {}, { id: `t${i}` });
  await clock.advance(HOUR_MS);
  const lines: string[] = [];
  node({ logger: { ...silentLogger, warn: (message) => void lines.push(message) } });
  await pass(1_000);
  expect(counted('schedule_missed')).toBe(50);
  expect(lines).toHaveLength(11);
  expect(lines.at(-1)).toContain('not logged for a minute');
});

it('2 000 schedules of the same minute: all of them fire once, at most 100 at a time', async () => {
  for (let i = 0; i < 2_000; i += 1) await schedule('* * * * *', {}, { id: `t${String(i).padStart(4, '0')}` });
  let atOnce = 0;
  let most = 0;
  const ids = new Set<string>();
  const push: MessageQueue['push'] = async (message) => {
    atOnce += 1;
    most = Math.max(most, atOnce);
    await new Promise((resolve) => setImmediate(resolve));
    atOnce -= 1;
    ids.add(message.callId);
    return { callId: message.callId, duplicate: false };
  };
  node({ queue: { push } });
  await pass(60_000);
  expect(ids.size).toBe(2_000);
  expect(most).toBeLessThanOrEqual(100);
  expect(await store.schedules.earliest()).toEqual(later(wallMs(MIDNIGHT), 120_000));
});

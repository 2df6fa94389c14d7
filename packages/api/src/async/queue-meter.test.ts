import { Deferred, FakeClock, readMetrics } from '@fnfleet/core';
import { type MessageQueue, openSqliteQueue, type QueueStats } from '@fnfleet/queue';
import { QueueMeter } from './queue-meter.js';

const clock = new FakeClock();
let queue: MessageQueue;
let meter: QueueMeter;
let asked: Deferred<QueueStats>[];

beforeEach(async () => {
  asked = [];
  queue = await openSqliteQueue({ path: ':memory:' });
  const slow = Object.assign(Object.create(queue) as MessageQueue, {
    stats: () => {
      const answer = new Deferred<QueueStats>();
      asked.push(answer);
      return answer.promise;
    },
  });
  meter = new QueueMeter(slow, clock);
});
afterEach(async () => {
  meter.end();
  await queue.close();
});

const holding = (ready: number): QueueStats => ({
  ...{ ready, delayed: 0, running: 0, dead: 0, deliveries: 0, ended: 0, bytes: 0 },
  ...{ oldestAgeMs: undefined, oldestDeliveryAgeMs: undefined, functions: [] },
});
const shown = () =>
  readMetrics()
    .find(({ name }) => name === 'mq_calls')
    ?.points.map((point) => ('value' in point ? point.value : undefined));

it('scrapes at the same time read the queue once', async () => {
  const scrapes = [meter.refresh(), meter.refresh()];
  asked[0]?.resolve(holding(3));
  await Promise.all(scrapes);
  expect(shown()).toEqual([3, 0, 0, 0]);
  expect(asked).toHaveLength(1);
});

it.each`
  what       | happens
  ${'hangs'} | ${() => clock.advance(1_000)}
  ${'fails'} | ${() => asked[1]?.reject(new Error('the disk is gone'))}
`('a scrape of a queue that $what ends, and shows the last values', async ({ happens }) => {
  const first = meter.refresh();
  asked[0]?.resolve(holding(3));
  await first;
  const scrape = meter.refresh();
  await happens();
  await scrape;
  expect(shown()).toEqual([3, 0, 0, 0]);
  expect(clock.pendingTimers).toBe(0);
});

it('an exporter that does not wait gets the values of its previous turn, and reads at most once a second', async () => {
  await clock.advance(1_000);
  expect(shown()).toEqual([]);
  asked[0]?.resolve(holding(2));
  await clock.advance(0);
  expect(shown()).toEqual([2, 0, 0, 0]);
  expect(asked).toHaveLength(1);
  await clock.advance(1_000);
  shown();
  expect(asked).toHaveLength(2);
});

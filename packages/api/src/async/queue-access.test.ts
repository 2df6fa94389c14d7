// takes: 3 s
import { Deferred, FakeClock, readSettings, silentLogger } from '@fnfleet/core';
import { type MessageQueue, openSqliteQueue } from '@fnfleet/queue';
import { eventually } from '@fnfleet/testing';
import { apiSettings } from '../settings.js';
import { LazyQueue } from './queue-access.js';

const FILE = 'sqlite3:///data/mq.db';

/** The queue of a node that nobody has asked for it yet. */
class StartedNode {
  readonly clock = new FakeClock();
  readonly queues: MessageQueue[] = [];
  closing = 0;
  closed = 0;
  /** A queue that closes waits for it. */
  mayClose: Promise<void> = Promise.resolve();
  readonly access: LazyQueue;

  constructor(url: string) {
    const { clock } = this;
    const none = new Map<string, never>();
    const store = { fns: { get: async () => none.get('') }, apps: { get: async () => none.get('') } };
    this.access = new LazyQueue(readSettings(apiSettings, { FN_DB_URL: 'sqlite3://:memory:', FN_MQ_URL: url }), {
      ...{ clock, logger: silentLogger, store: store as never, feeds: { follow: () => () => undefined } },
      queueExists: async () => true,
      openQueue: () => this.openQueue(),
    });
  }

  private async openQueue(): Promise<MessageQueue> {
    // As a file, or the lead of a queue in NATS: it cannot be had while it closes.
    if (this.closed < this.queues.length) throw new Error('the queue is in use');
    const queue = await openSqliteQueue({ path: ':memory:' });
    const close = async () => {
      this.closing += 1;
      await this.mayClose;
      await queue.close();
      this.closed += 1;
    };
    const opened = Object.assign(Object.create(queue) as MessageQueue, { close });
    this.queues.push(opened);
    return opened;
  }
}

let node: StartedNode;
afterEach(() => node.access.close());

it.each`
  store         | url
  ${'Postgres'} | ${'postgres://db/fn'}
  ${'NATS'}     | ${'nats://mq/fn'}
`('keeps a queue in $store open after it has looked for callbacks that an earlier process left', async ({ url }) => {
  node = new StartedNode(url);
  node.access.deliverLeft();
  await eventually(() => expect(node.queues.length).toBe(1));
  await node.access.whenOpen(async (queue) => void (await queue.stats()));
  await node.clock.advance(60_000);
  expect(node.closed).toBe(0);
  expect((await (await node.access.open()).stats()).ready).toBe(0);
  expect(node.queues.length).toBe(1);
});

it('closes a file without callbacks that nobody has asked for, so that another process can open it', async () => {
  node = new StartedNode(FILE);
  node.access.deliverLeft();
  await eventually(() => expect(node.closed).toBe(1));
});

it('opens a file again for requests that arrive while it closes', async () => {
  node = new StartedNode(FILE);
  const closing = new Deferred<void>();
  node.mayClose = closing.promise;
  node.access.deliverLeft();
  await eventually(() => expect(node.closing).toBe(1));
  const requests = [node.access.open(), node.access.open()];
  closing.resolve();
  const [one, other] = await Promise.all(requests);
  expect((await one?.stats())?.ready).toBe(0);
  expect(other).toBe(one);
});

it('does not close a file that was asked for while it looked for callbacks', async () => {
  node = new StartedNode(FILE);
  node.access.deliverLeft();
  await node.access.open();
  await node.clock.advance(60_000);
  expect(node.closed).toBe(0);
});

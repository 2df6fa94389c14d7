// needs: nats-server
// takes: 20 s
import { eventually, NatsServer } from '@fnfleet/testing';
import { jetstream } from '@nats-io/jetstream';
import { connect, errors } from '@nats-io/transport-node';
import type { MessageQueue } from '../message-queue.js';
import { InlineNats } from '../testing/nats-setup.js';
import { encodeEntry } from './log-entry.js';
import type { NatsEngineOptions, NatsEngineParts } from './nats-engine.js';
import { openNatsQueue } from './nats-queue.js';
import { ReplicatedLog } from './replicated-log.js';

/**
 * `deaf` cannot hear who asks whether it leads, as if the network between them were cut. `mute` hears it and cannot answer, like a
 * process that hangs.
 */
const USERS = `authorization { users: [
  { user: hears, password: p }
  { user: deaf, password: p, permissions: { subscribe: { deny: "*.leader" } } }
  { user: mute, password: p, permissions: { publish: { allow: ["$JS.API.>", "*.log", "*.leader"] } } }
] }`;

/** Writes wherever the log ends. */
class UnfencedLog extends ReplicatedLog {
  protected override async publish(data: Uint8Array): Promise<number> {
    return await super.publish(data, await this.lastSequence(), 5_000);
  }
}

/** Something happens in place of an attempt to write, which is never answered. */
class LateLog extends ReplicatedLog {
  static meanwhile: (() => Promise<void>) | undefined;
  protected override async publish(data: Uint8Array, after: number, timeout: number): Promise<number> {
    const { meanwhile } = LateLog;
    if (meanwhile === undefined) return await super.publish(data, after, timeout);
    LateLog.meanwhile = undefined;
    await meanwhile();
    throw new errors.TimeoutError();
  }
}

let server: NatsServer;
let opened: MessageQueue[];
let name: string;
let queues = 0;

beforeAll(async () => {
  server = await NatsServer.start({ config: USERS });
});
afterAll(() => server.close());
beforeEach(() => {
  queues += 1;
  name = `q${queues}`;
  opened = [];
});
afterEach(() => Promise.all(opened.map((queue) => queue.close())));

async function node(
  user: 'hears' | 'deaf' | 'mute' = 'hears',
  parts: Partial<NatsEngineParts> = {},
): Promise<MessageQueue> {
  const queue = await openNatsQueue({
    url: server.url(name, { login: `${user}:p@` }),
    allowUnsynced: true,
    startThread: (options: NatsEngineOptions) => new InlineNats(options, parts),
  });
  opened.push(queue);
  return queue;
}
/** One that leads: on a busy machine that may take longer than to open the queue. */
const leader = async (...args: Parameters<typeof node>) => {
  const queue = await node(...args);
  await eventually(() => queue.stats());
  return queue;
};
const push = (to: MessageQueue, callId: string) => to.push({ callId, fnId: 'f', head: '{}', body: Buffer.from('x') });
const state = async (of: MessageQueue, callId: string) => (await of.get(callId))?.state;
const UNAVAILABLE = { code: 'queueUnavailable' };

it('one of several nodes leads; the others say that they do not, and one of them takes over when it ends', async () => {
  const one = await leader();
  const others = [await node(), await node()] as const;
  await push(one, 'a');
  const [delivery] = await one.reserve({ holder: 'lb', limit: 1, leaseMs: 60_000 });
  for (const other of others) {
    await expect(push(other, 'b')).rejects.toMatchObject(UNAVAILABLE);
    await expect(other.reserve({ holder: 'lb', limit: 1, leaseMs: 1, waitMs: 60_000 })).rejects.toMatchObject(
      UNAVAILABLE,
    );
    await expect(other.get('a')).rejects.toMatchObject(UNAVAILABLE);
  }
  await one.close();
  const next = await eventually(() => Promise.any(others.map((other) => other.stats().then(() => other))));
  // The lease is still good.
  expect(await next.extend(delivery?.lease ?? { callId: '', token: '' }, 60_000)).toEqual({ kind: 'extended' });
  await push(next, 'b');
  const [last] = others.filter((other) => other !== next);
  await expect(push(last as MessageQueue, 'c')).rejects.toMatchObject(UNAVAILABLE);
}, 60_000);

it('a node that waits for its turn is told when it has it', async () => {
  const one = await leader();
  const other = await node();
  const told = new Promise((resolve) => other.subscribe(({ kind }) => kind === 'ready' && resolve(kind)));
  await one.close();
  expect(await told).toBe('ready');
  await push(other, 'a');
});

it('a leader that does not answer is replaced after some questions, and learns that it leads no more', async () => {
  const silent = await leader('mute');
  await push(silent, 'a');
  const other = await node();
  await expect(push(other, 'b')).rejects.toMatchObject(UNAVAILABLE);
  await eventually(() => push(other, 'b'));
  await expect(push(silent, 'c')).rejects.toMatchObject(UNAVAILABLE);
  expect(await state(other, 'a')).toBe('ready');
  expect(await state(other, 'c')).toBeUndefined();
}, 60_000);

it('an entry whose writer died after its first part is ignored', async () => {
  const one = await leader();
  await push(one, 'a');
  await one.close();
  const connection = await connect({ servers: server.address, user: 'hears', pass: 'p' });
  const [first] = encodeEntry({ mark: undefined, changes: Buffer.alloc(300, 1) }, 200);
  await jetstream(connection).publish(`${name}.log`, first);
  const other = await leader();
  await push(other, 'b');
  await other.close();
  await connection.close();
  const found = await (await leader()).reserve({ holder: 'lb', limit: 10, leaseMs: 60_000 });
  expect(found.map(({ lease }) => lease.callId)).toEqual(['a', 'b']);
});

describe('of two nodes that both believe to lead', () => {
  /** @returns calls that were accepted, and that the queue does not have */
  async function lostCalls(parts: Partial<NatsEngineParts> = {}): Promise<readonly string[]> {
    const old = await leader('deaf', parts);
    await push(old, 'a');
    const current = await leader('hears', parts);
    await push(current, 'b');
    const accepted = ['a', 'b'];
    await push(old, 'c').then(
      () => accepted.push('c'),
      () => undefined,
    );
    await push(current, 'd').then(
      () => accepted.push('d'),
      () => undefined,
    );
    const states = await Promise.all(accepted.map((callId) => state(current, callId)));
    return accepted.filter((_, at) => states[at] !== 'ready');
  }

  it('one can write: no call that was accepted is lost', async () => {
    expect(await lostCalls()).toEqual([]);
  });

  it('both could without the expected sequence: a call would be lost', async () => {
    const newLog = (...args: ConstructorParameters<typeof ReplicatedLog>) => new UnfencedLog(...args);
    expect(await lostCalls({ newLog })).toEqual(['c']);
  });

  it('the older one does not take the entry of the other for its own, when it does not know what became of that', async () => {
    const old = await leader('deaf', { newLog: (...args) => new LateLog(...args) });
    await push(old, 'a');
    let current = old;
    LateLog.meanwhile = async () => {
      current = await leader();
      await push(current, 'b');
    };
    await expect(push(old, 'c')).rejects.toMatchObject({ code: 'databaseSlow' });
    expect(await state(current, 'c')).toBeUndefined();
    expect(await state(current, 'b')).toBe('ready');
  });

  it.each`
    what                              | act
    ${'accepts no call'}              | ${(old: MessageQueue) => push(old, 'x')}
    ${'leases no call'}               | ${(old: MessageQueue) => old.reserve({ holder: 'lb', limit: 1, leaseMs: 1_000 })}
    ${'does not say who has a lease'} | ${(old: MessageQueue) => old.extend({ callId: 'b', token: 'of the other' }, 1_000)}
    ${'does not say what there is'}   | ${(old: MessageQueue) => old.get('b')}
  `('the older one $what', async ({ act }) => {
    const old = await leader('deaf');
    await push(old, 'a');
    const current = await leader();
    await push(current, 'b');
    await expect(act(old)).rejects.toMatchObject(UNAVAILABLE);
    const found = await current.reserve({ holder: 'lb', limit: 10, leaseMs: 60_000 });
    expect(found.map(({ lease, attempt }) => [lease.callId, attempt])).toEqual([
      ['a', 1],
      ['b', 1],
    ]);
  });
});

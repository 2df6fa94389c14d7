// needs: nats-server
// takes: 30 s
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FnError } from '@fnfleet/core';
import { eventually, NatsServer, TestCertificates } from '@fnfleet/testing';
import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { connect, errors, type NatsConnection } from '@nats-io/transport-node';
import type { MessageQueue } from '../message-queue.js';
import { InlineNats } from '../testing/nats-setup.js';
import type { NatsEngineOptions } from './nats-engine.js';
import { type NatsQueueOptions, openNatsQueue } from './nats-queue.js';
import { ReplicatedLog } from './replicated-log.js';

const ANSWER = { head: '{}', body: Buffer.from('x') };

let server: NatsServer;
let connection: NatsConnection;
let manager: JetStreamManager;
let queue: MessageQueue | undefined;
let name: string;
let queues = 0;
let pushed = 0;

beforeAll(async () => {
  server = await NatsServer.start();
  connection = await connect({ servers: server.address, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  manager = await jetstreamManager(connection);
});
afterAll(async () => {
  await connection.close();
  await server.close();
});
beforeEach(() => {
  queues += 1;
  name = `q${queues}`;
});
afterEach(async () => {
  await queue?.close();
  queue = undefined;
});

const open = async (options: Partial<NatsQueueOptions> = {}) => {
  queue = await openNatsQueue({ url: server.url(name), allowUnsynced: true, timeoutMs: 10_000, ...options });
  return queue;
};
/** For what needs a node that leads: on a busy machine that may take longer than to open the queue. */
const openAndLead = async (options: Partial<NatsQueueOptions> = {}) => {
  await open(options);
  await eventually(() => queue?.stats());
};
const push = async (size = 100, to = queue) => {
  pushed += 1;
  const callId = `c${String(pushed).padStart(6, '0')}`;
  await to?.push({ callId, fnId: 'f', head: '{}', body: Buffer.alloc(size, callId) });
  return callId;
};
/** The message and its cause, as an API node logs them. */
const why = (asked: Promise<unknown>) =>
  asked.then(String, (error: Error) => `${error.message} ${(error.cause as Error | undefined)?.message}`);
/** Why it is not opened. A node that does not know after two seconds is opened as one that does not lead. */
const refusal = (options: Partial<NatsQueueOptions> = {}) =>
  eventually(async () => {
    const said = await why(open(options));
    if (queue === undefined) return said;
    await queue.close();
    queue = undefined;
    throw new Error('it is opened');
  });
const ready = async (of = queue) =>
  (await of?.reserve({ holder: 'h', limit: 1_000, leaseMs: 60_000 }))?.map(({ lease }) => lease.callId);
/** Not before a node leads again that has just lost the server: what a reservation without an answer has leased is missing afterwards. */
const eventuallyReady = async () => {
  await eventually(() => queue?.stats());
  return await ready();
};

describe('is not opened', () => {
  it.each`
    what                            | options                                                 | says
    ${'without JetStream'}          | ${{ jetstream: false }}                                 | ${/JetStream cannot be used there/}
    ${'without the right password'} | ${{ config: 'authorization { user: a, password: b }' }} | ${/does not accept the user and password, the token or the creds/}
    ${'without its token'}          | ${{ config: 'authorization { token: t }' }}             | ${/does not accept the user and password, the token or the creds/}
  `('$what', async ({ options, says }) => {
    const other = await NatsServer.start(options);
    try {
      const said = await refusal({ url: other.url(name, { login: 'a:s3cret@' }) });
      expect(said).toMatch(says);
      expect(said).toContain(`FN_MQ_URL: nats://${other.address}/${name}`);
      expect(said).not.toContain('s3cret');
    } finally {
      await other.close();
    }
  });

  it('where no server is', async () => {
    const other = await NatsServer.start();
    await other.close();
    expect(await refusal({ url: other.url(name) })).toMatch(/NATS server cannot be reached.*no server answers at 127/);
  });

  it('when its creds cannot be read', async () => {
    expect(await refusal({ url: server.url(name, { query: '?creds=/nowhere' }) })).toMatch(/creds=\/nowhere: ENOENT/);
  });

  it('when the server may lose what it acknowledges', async () => {
    expect(await refusal({ allowUnsynced: false })).toMatch(
      /acknowledges what it has not synced|whether NATS syncs what it acknowledges/,
    );
  });

  it.each`
    what                                  | config
    ${'forgets messages after some time'} | ${{ max_age: 1e12 }}
    ${'forgets messages when it is full'} | ${{ discard: 'old' }}
    ${'has other subjects'}               | ${{ subjects: ['other.>'] }}
    ${'forgets what was read'}            | ${{ retention: 'workqueue' }}
  `('when its stream $what', async ({ config }) => {
    await manager.streams.add({ name: `${name}-log`, subjects: [`${name}.log`], discard: 'new', ...config });
    expect(await refusal()).toMatch(/would lose messages: it /);
    await manager.streams.delete(`${name}-log`);
  });

  it('when the log belongs to something else', async () => {
    await manager.streams.add({ name: `${name}-log`, subjects: [`${name}.log`], discard: 'new' } as object as never);
    connection.publish(`${name}.log`, 'hello');
    await connection.flush();
    expect(await refusal()).toMatch(/not written by this release, or belongs to something else/);
  });
});

describe('over TLS', () => {
  const certificates = new TestCertificates();
  let secure: NatsServer;
  beforeAll(async () => {
    const { cert, key } = certificates.files('nats');
    secure = await NatsServer.start({ config: `tls { cert_file: "${cert}", key_file: "${key}" }` });
  });
  afterAll(async () => {
    await secure.close();
    certificates.remove();
  });
  const ca = () => {
    const folder = mkdtempSync(join(tmpdir(), 'fnfleet-nats-ca-'));
    writeFileSync(join(folder, 'ca.pem'), certificates.authority);
    return folder;
  };

  it('works with the CA of the server', async () => {
    const folder = ca();
    try {
      await openAndLead({ url: secure.url(name, { query: `?tls_ca=${folder}/ca.pem` }) });
      const callId = await push();
      expect(await ready()).toEqual([callId]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('is refused with an unknown CA, and the message names the remedy', async () => {
    const said = await refusal({ url: secure.url(name, { query: '?tls=on' }) });
    expect(said).toMatch(/certificate of the server is not accepted.*tls_ca=<file>/);
  });

  it('is refused if the server has none', async () => {
    expect(await refusal({ url: server.url(name, { query: '?tls=on' }) })).toMatch(/has no TLS.*tls=off/);
  });
});

it('when the server is killed and started again, it has all calls that were accepted, and goes on', async () => {
  await openAndLead();
  const accepted = new Set<string>();
  for (let round = 0; round < 3; round += 1) {
    let isOver = false;
    const client = async () => {
      while (!isOver) {
        await push().then(
          (callId) => accepted.add(callId),
          () => new Promise((resolve) => setTimeout(resolve, 20)),
        );
      }
    };
    const clients = [client(), client(), client()];
    const before = accepted.size;
    await eventually(() => expect(accepted.size).toBeGreaterThan(before + 20));
    await server.kill();
    await server.restart();
    await eventually(async () => void (await push()));
    isOver = true;
    await Promise.all(clients);
  }
  const found = new Set<string>();
  for (let some = await eventuallyReady(); some?.length; some = await ready()) for (const id of some) found.add(id);
  expect([...accepted].filter((callId) => !found.has(callId))).toEqual([]);
}, 120_000);

it('when the server hangs, requests fail in time and few wait; a change that was in doubt is there once or never', async () => {
  await openAndLead({ timeoutMs: 3_000, maxWaiting: 10 });
  const kept = await push();
  server.freeze();
  const codes = new Set<string>();
  const asked = Array.from({ length: 50 }, () =>
    push().then(
      () => codes.add('accepted'),
      (error: { readonly code: string }) => codes.add(error.code),
    ),
  );
  await Promise.all(asked);
  server.thaw();
  expect([...codes].sort()).toEqual(['databaseSlow', 'queueOverloaded']);
  await eventually(async () => void (await push()));
  const found = (await eventuallyReady()) ?? [];
  expect(found[0]).toBe(kept);
  expect(new Set(found).size).toBe(found.length);
}, 60_000);

it.each([0, 20])(
  'when the server hangs, it is closed without waiting for it, while %i changes wait: what was acknowledged is there',
  async (waiting) => {
    // As long as a test may take at most.
    await openAndLead({ timeoutMs: 60_000 });
    const kept = await push();
    server.freeze();
    const asked = Array.from({ length: waiting }, () => push().then(String, (error: FnError) => error.code));
    await queue?.close();
    expect(new Set(await Promise.all(asked))).toEqual(new Set(waiting === 0 ? [] : [expect.any(String)]));
    server.thaw();
    await eventually(() => open());
    expect((await eventuallyReady())?.[0]).toBe(kept);
  },
  50_000,
);

it('when the server hangs while it connects, it is closed without waiting for it', async () => {
  server.freeze();
  await open({ timeoutMs: 60_000 });
  await queue?.close();
  server.thaw();
}, 50_000);

describe('when acknowledgements are lost', () => {
  /** Stores messages, and loses some of the acknowledgements. */
  class LossyLog extends ReplicatedLog {
    static left = 0;
    static afterMs = 0;
    protected override async publish(data: Uint8Array, after: number, timeout: number): Promise<number> {
      const seq = await super.publish(data, after, timeout);
      if (LossyLog.left === 0) return seq;
      LossyLog.left -= 1;
      await new Promise((resolve) => setTimeout(resolve, LossyLog.afterMs));
      throw new errors.TimeoutError();
    }
  }
  const startThread = (options: NatsEngineOptions) =>
    new InlineNats(options, { newLog: (...args) => new LossyLog(...args) });

  it('of one attempt, the change is found in the log, and is acknowledged', async () => {
    await openAndLead({ startThread });
    LossyLog.left = 1;
    const callId = await push();
    expect(await ready()).toEqual([callId]);
  });

  it('until it is too late, its caller is told that nobody knows, and the node reads what became of the change', async () => {
    await openAndLead({ startThread, timeoutMs: 2_000 });
    [LossyLog.left, LossyLog.afterMs] = [1, 2_500];
    await expect(push()).rejects.toMatchObject({ code: 'databaseSlow' });
    const callId = `c${String(pushed).padStart(6, '0')}`;
    expect(await eventuallyReady()).toEqual([callId]);
  });
});

it('when its stream is deleted, it says so, acknowledges nothing, and does not begin a new one', async () => {
  await openAndLead({ timeoutMs: 2_000 });
  await push();
  await manager.streams.delete(`${name}-log`);
  await eventually(async () => expect(await why(push())).not.toMatch(/^c\d/));
  await expect(push()).rejects.toMatchObject({ status: 503 });
  const { streams } = manager;
  await expect(streams.info(`${name}-log`)).rejects.toThrow(/stream not found/);
});

it('when its stream is full, it refuses changes, keeps what it has, and works again when there is room', async () => {
  await openAndLead();
  const accepted = [await push()];
  await manager.streams.update(`${name}-log`, { max_bytes: 100_000 });
  let refused = '';
  while (refused === '') {
    const said = await push(20_000).then(
      (callId) => void accepted.push(callId),
      (error: Error) => `${error.message} ${(error.cause as Error).message}`,
    );
    refused = said ?? '';
  }
  expect(refused).toMatch(/its NATS server does not store more.*maximum bytes exceeded/);
  await manager.streams.update(`${name}-log`, { max_bytes: -1 });
  expect(await ready()).toEqual(accepted);
});

it('keeps calls that do not fit into one message, in the order of their acceptance', async () => {
  await openAndLead();
  const callIds = await Promise.all(Array.from({ length: 6 }, () => push(1024 * 1024)));
  await queue?.close();
  await openAndLead();
  const found = await queue?.reserve({ holder: 'h', limit: 10, leaseMs: 60_000 });
  expect(found?.map(({ lease }) => lease.callId)).toEqual(callIds);
  for (const { lease, body } of found ?? []) {
    expect(Buffer.compare(body, Buffer.alloc(1024 * 1024, lease.callId))).toBe(0);
  }
});

it('replaces a log that has become large by a snapshot, from which the next node begins', async () => {
  const startThread = (options: ConstructorParameters<typeof InlineNats>[0]) =>
    new InlineNats({ ...options, minLogBytes: 100_000 });
  await openAndLead({ startThread });
  const kept = [await push(), await push()];
  const size = async () => (await manager.streams.info(`${name}-log`)).state;
  const cycle = async () => {
    // The first two stay where they are.
    await push(10_000);
    const found = (await queue?.reserve({ holder: 'h', limit: 3, leaseMs: 600_000 })) ?? [];
    for (const { lease } of found) {
      if (kept.includes(lease.callId)) await queue?.giveBack(lease);
      else await queue?.complete(lease, ANSWER);
    }
  };
  let purged = 0;
  for (let first = 1; purged < 3; ) {
    await cycle();
    const { first_seq } = await size();
    if (first_seq > first) purged += 1;
    first = first_seq;
  }
  // One copy, and its announcement, when no other copy is on its way.
  await eventually(async () => {
    const { state } = await manager.streams.info(`${name}-snapshots`, { subjects_filter: '>' });
    expect(Object.keys(state.subjects ?? {})).toHaveLength(2);
  });
  const before = await queue?.stats();
  await queue?.close();
  await openAndLead({ startThread });
  expect({ ...(await queue?.stats()), bytes: 0, oldestAgeMs: 0 }).toEqual({ ...before, bytes: 0, oldestAgeMs: 0 });
  expect(await ready()).toEqual(kept);
}, 60_000);

it('is refused if the log does not begin where the snapshot ends', async () => {
  await openAndLead();
  for (let n = 0; n < 5; n += 1) await push();
  await queue?.close();
  await manager.streams.purge(`${name}-log`, { seq: 4 });
  expect(await refusal()).toMatch(/its log has a gap.*the log has no message 1/);
});

it('leaves no connection and no file behind when it is closed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fnfleet-nats-cache-'));
  const connections = async () =>
    ((await (await fetch(`${server.monitor}/connz`)).json()) as { num_connections: number }).num_connections;
  // That of the test: the server may not have noticed yet that others are closed.
  const onlyMine = () => eventually(async () => expect(await connections()).toBe(1));
  await onlyMine();
  await openAndLead({ folder });
  await push();
  expect(await connections()).toBe(2);
  await queue?.close();
  await onlyMine();
  // Fails unless it is empty.
  rmdirSync(folder);
});

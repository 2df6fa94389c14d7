// needs: nats-server-2.10
// takes: 30 s
import { eventually, NatsServer } from '@fnfleet/testing';
import { describeQueue } from '../testing/describe-queue.js';
import { NatsSetup } from '../testing/nats-setup.js';
import { openNatsQueue } from './nats-queue.js';

let synced: NatsServer;
beforeAll(async () => {
  synced = await NatsServer.start({ syncInterval: 'always' });
});
afterAll(() => synced.close());

describeQueue('NATS that syncs, in its thread', () => new NatsSetup(synced, false, true));

/** @returns why the queue does not open without a permission; undefined if it does, and accepts a call */
async function refusal(url: string): Promise<string | undefined> {
  const queue = await openNatsQueue({ url, timeoutMs: 10_000 }).catch((error: Error) => error.cause as Error);
  if (queue instanceof Error) return queue.message;
  // It may not lead at once.
  await eventually(() => queue.push({ callId: 'c1', fnId: 'f', head: '', body: Buffer.from('x') }));
  await queue.close();
  return undefined;
}

it('a queue opens in a server that syncs always, if the URL names its monitoring port', async () => {
  const query = `?monitor=${synced.monitor}`;
  expect(await refusal(synced.url('seen', { query }))).toBeUndefined();
  expect(await refusal(synced.url('unseen'))).toMatch(/1 replica, and a client cannot see whether NATS syncs/);
});

it.each(['2m', '1s'])('a queue does not open in a server that syncs every %s', async (syncInterval) => {
  const server = await NatsServer.start({ syncInterval });
  try {
    const url = server.url('calls', { query: `?monitor=${server.monitor}` });
    expect(await refusal(url)).toMatch(/does not sync what it acknowledges: set sync_interval: always/);
  } finally {
    await server.close();
  }
});

it('a queue opens in three servers that sync every two minutes', async () => {
  const servers = await NatsServer.cluster({ syncInterval: '2m' });
  try {
    const url = `nats://${servers.map(({ address }) => address).join(',')}/calls`;
    // The servers elect a leader first.
    await eventually(async () => expect(await refusal(url)).toBeUndefined());
  } catch (error) {
    throw new Error(servers.map(({ log }) => log).join('\n'), { cause: error });
  } finally {
    await Promise.all(servers.map((server) => server.close()));
  }
}, 120_000);

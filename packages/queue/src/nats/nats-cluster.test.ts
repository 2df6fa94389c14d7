// needs: nats-server
// takes: 20 s
import { eventually, NatsServer } from '@fnfleet/testing';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { openNatsQueue } from './nats-queue.js';

async function reduceReplicas(address: string): Promise<void> {
  const connection = await connect({ servers: address });
  const manager = await jetstreamManager(connection);
  await eventually(() => manager.streams.update('calls-log', { num_replicas: 1 }));
  await connection.close();
}

it('three servers keep a queue: none syncs, and when one is killed, no call is lost and the queue goes on', async () => {
  const servers = await NatsServer.cluster();
  const url = `nats://${servers.map(({ address }) => address).join(',')}/calls`;
  const open = () => openNatsQueue({ url, timeoutMs: 10_000 });
  // The servers elect a leader first.
  let queue = await eventually(open);
  try {
    const push = (callId: string) => queue.push({ callId, fnId: 'f', head: '', body: Buffer.from('x') });
    const pushed: string[] = [];
    for (const [at, server] of servers.entries()) {
      for (let n = 0; n < 20; n += 1) {
        const callId = `c${at}${String(n).padStart(3, '0')}`;
        await eventually(() => push(callId));
        pushed.push(callId);
      }
      await server.kill();
      await eventually(() => push(`c${at}999`));
      pushed.push(`c${at}999`);
      await server.restart();
    }
    await queue.close();
    queue = await eventually(open);
    await eventually(async () => {
      // What a reservation without an answer has leased is ready again soon.
      const found = await queue.reserve({ holder: 'h', limit: 1_000, leaseMs: 1_000 });
      expect(found.map(({ lease }) => lease.callId)).toEqual(pushed);
    });
    await queue.close();
    await reduceReplicas(servers[0]?.address ?? '');
    const error: Error = await open().then(
      (opened) => opened.close().then(() => new Error('opened')),
      (refused: Error) => refused.cause as Error,
    );
    expect(error.message).toMatch(/stream calls-log has 1 replica/);
  } finally {
    await queue.close();
    await Promise.all(servers.map((server) => server.close()));
  }
}, 180_000);

// needs: postgres
// takes: 30 s
import { setTimeout as sleep } from 'node:timers/promises';
import { parsePostgresUrl } from '@fnfleet/postgres/url';
import { eventually, PostgresServer } from '@fnfleet/testing';
import { type Acknowledged, QueueProcess } from '../test-kit/queue-process.js';
import { openPostgresQueue } from './postgres-queue.js';

const ROUNDS = 8;

it(`three nodes that are killed in turn, ${ROUNDS} times in all, and their server as well, lose no call and repeat none that was completed`, async () => {
  const server = await PostgresServer.start({ fsync: true });
  const nodes: QueueProcess[] = [];
  try {
    const pushed = new Set<string>();
    const completed = new Set<string>();
    const delivered = new Map<string, number>();
    const again: string[] = [];
    const note = (report: Acknowledged) => {
      if (report.kind === 'pushed') pushed.add(report.callId);
      if (report.kind === 'completed') completed.add(report.callId);
      if (report.kind !== 'delivered') return;
      const { callId, attempt } = report;
      if (completed.has(callId) || attempt <= (delivered.get(callId) ?? 0))
        again.push(`${callId} in attempt ${attempt}`);
      delivered.set(callId, attempt);
    };
    const url = server.url('postgres');
    const begin = async (round: number) => nodes.push(await QueueProcess.start(url, `r${round}`, note));
    for (const first of [-2, -1]) await begin(first);
    for (let round = 1; round <= ROUNDS; round += 1) {
      await begin(round);
      const before = pushed.size;
      await eventually(() => expect(pushed.size).toBeGreaterThan(before + 20));
      await sleep(Math.random() * 50);
      // A crash: what was only in its memory is gone.
      if (round % 3 === 0) await server.restart();
      await nodes.shift()?.kill();
    }
    await Promise.all(nodes.splice(0).map((node) => node.kill()));

    const queue = await openPostgresQueue({ target: parsePostgresUrl(url, 'FN_MQ_URL') });
    const states = new Map<string, string | undefined>();
    // A call may be completed although the kill came before the report of its push.
    for (const callId of new Set([...pushed, ...completed])) states.set(callId, (await queue.get(callId))?.state);
    const { ready, running, ended } = await queue.stats();
    await queue.close();
    expect([...pushed].filter((callId) => states.get(callId) === undefined)).toEqual([]);
    expect([...completed].filter((callId) => states.get(callId) !== 'success')).toEqual([]);
    expect(again).toEqual([]);
    expect(completed.size).toBeGreaterThan(0);
    const [counted] = await server.query('postgres', 'select count(*)::integer as calls from fnfleet_mq_calls');
    expect(counted?.calls).toBe(ready + running + ended);
  } finally {
    await Promise.all(nodes.map((node) => node.kill()));
    await server.close();
  }
}, 240_000);

// needs: nats-server
// takes: 40 s
import { setTimeout as sleep } from 'node:timers/promises';
import { eventually, NatsServer } from '@fnfleet/testing';
import { type Acknowledged, QueueProcess } from '../test-kit/queue-process.js';
import { openNatsQueue } from './nats-queue.js';

const ROUNDS = 8;

it(`nodes that are killed ${ROUNDS} times while they accept and complete calls, and their server as well, lose none and repeat none that was completed`, async () => {
  const server = await NatsServer.start();
  const nodes: QueueProcess[] = [];
  try {
    const pushed = new Set<string>();
    const completed = new Set<string>();
    const delivered = new Map<string, number>();
    const again: string[] = [];
    const leaders = new Set<string>();
    const note = (report: Acknowledged) => {
      if (report.kind === 'pushed') pushed.add(report.callId);
      if (report.kind === 'completed') completed.add(report.callId);
      leaders.add(report.callId.split('-')[0] ?? '');
      if (report.kind !== 'delivered') return;
      const { callId, attempt } = report;
      if (completed.has(callId) || attempt <= (delivered.get(callId) ?? 0))
        again.push(`${callId} in attempt ${attempt}`);
      delivered.set(callId, attempt);
    };
    const begin = async (round: number) => nodes.push(await QueueProcess.start(server.url('calls'), `r${round}`, note));
    await begin(0);
    for (let round = 1; round <= ROUNDS; round += 1) {
      // Waits until the first has ended.
      await begin(round);
      const before = pushed.size;
      await eventually(() => expect(pushed.size).toBeGreaterThan(before + 20));
      await sleep(Math.random() * 50);
      if (round % 3 === 0) {
        await server.kill();
        await server.restart();
      }
      await nodes.shift()?.kill();
    }
    await Promise.all(nodes.splice(0).map((node) => node.kill()));

    const queue = await openNatsQueue({ url: server.url('calls'), allowUnsynced: true });
    const states = new Map<string, string | undefined>();
    for (const callId of new Set([...pushed, ...completed])) {
      states.set(callId, (await eventually(() => queue.get(callId)))?.state);
    }
    await queue.close();
    expect([...pushed].filter((callId) => states.get(callId) === undefined)).toEqual([]);
    expect([...completed].filter((callId) => states.get(callId) !== 'success')).toEqual([]);
    expect(again).toEqual([]);
    expect(leaders.size).toBeGreaterThan(ROUNDS / 2);
    expect(completed.size).toBeGreaterThan(0);
  } finally {
    await Promise.all(nodes.map((node) => node.kill()));
    await server.close();
  }
}, 240_000);

// takes: 15 s
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Acknowledged, QueueProcess } from '../test-kit/queue-process.js';
import { openSqliteQueue } from './sqlite-queue.js';

const ROUNDS = 20;

it(`a process that is killed ${ROUNDS} times while it accepts and completes calls loses none, and repeats none that was completed`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'fnfleet-queue-kill-'));
  const path = join(folder, 'mq.db');
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
    for (let round = 0; round < ROUNDS; round += 1) {
      const process = await QueueProcess.start(path, `r${round}`, note);
      const before = pushed.size;
      while (pushed.size < before + 20) await sleep(1);
      await sleep(Math.random() * 50);
      await process.kill();
    }

    const database = new DatabaseSync(path);
    expect(database.prepare('pragma integrity_check').all()).toEqual([{ integrity_check: 'ok' }]);
    database.close();
    const queue = await openSqliteQueue({ path });
    const states = new Map<string, string | undefined>();
    // A call may be completed although the kill came before the report of its push.
    for (const callId of new Set([...pushed, ...completed])) states.set(callId, (await queue.get(callId))?.state);
    const { ready, running, ended } = await queue.stats();
    await queue.close();
    expect([...pushed].filter((callId) => states.get(callId) === undefined)).toEqual([]);
    expect([...completed].filter((callId) => states.get(callId) !== 'success')).toEqual([]);
    expect(again).toEqual([]);
    expect(pushed.size).toBeGreaterThanOrEqual(20 * ROUNDS);
    expect(completed.size).toBeGreaterThan(0);
    expect(ready + running + ended).toBeGreaterThanOrEqual(pushed.size);
  } finally {
    rmSync(folder, { recursive: true });
  }
}, 240_000);

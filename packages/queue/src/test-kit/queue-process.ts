import { type ChildProcess, fork } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parsePostgresUrl } from '@fnfleet/postgres/url';
import type { MessageQueue } from '../message-queue.js';
import { openNatsQueue } from '../nats/nats-queue.js';
import { openPostgresQueue } from '../postgres/postgres-queue.js';
import { openSqliteQueue } from '../sqlite/sqlite-queue.js';

/** Operations at the same time. */
const CLIENTS = 16;

/** What a process reports after the queue has acknowledged it. */
export type Acknowledged =
  | { readonly kind: 'pushed'; readonly callId: string }
  | { readonly kind: 'delivered'; readonly callId: string; readonly attempt: number }
  | { readonly kind: 'completed'; readonly callId: string };

/** A process that pushes, leases and completes calls as fast as it can, until a test kills it. */
export class QueueProcess {
  private constructor(private readonly child: ChildProcess) {}

  /**
   * @param store a file, or a URL of NATS or Postgres
   * @param prefix of the ids of its calls
   */
  static async start(store: string, prefix: string, onReport: (report: Acknowledged) => void): Promise<QueueProcess> {
    const child = fork(__filename, [store, prefix], { execArgv: ['--no-warnings'] });
    await new Promise<void>((resolve, reject) => {
      child.on('message', (report: Acknowledged | { readonly kind: 'ready' }) => {
        if (report.kind === 'ready') resolve();
        else onReport(report);
      });
      child.once('exit', (code) => reject(new Error(`the process ended with code ${code}`)));
    });
    return new QueueProcess(child);
  }

  /** Without a chance to clean up; resolves when all reports have arrived. */
  async kill(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('close', resolve));
    this.child.kill('SIGKILL');
    await ended;
  }
}

/** Repeats what another node, or a server that is away, did not let happen. */
async function untilAnswered<T>(act: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if ((error as { status?: number }).status !== 503) throw error;
      await sleep(20);
    }
  }
}

async function open(store: string): Promise<MessageQueue> {
  if (store.startsWith('postgres:')) return await openPostgresQueue({ target: parsePostgresUrl(store, 'FN_MQ_URL') });
  return store.startsWith('nats:')
    ? await openNatsQueue({ url: store, allowUnsynced: true })
    : await openSqliteQueue({ path: store });
}

async function work(store: string, prefix: string): Promise<void> {
  const queue = await open(store);
  const report = (acknowledged: Acknowledged) => process.send?.(acknowledged);
  process.send?.({ kind: 'ready' });
  let pushes = 0;
  const producer = async () => {
    for (;;) {
      pushes += 1;
      const callId = `${prefix}-${pushes}`;
      const fnId = `f${pushes % 3}`;
      await untilAnswered(() => queue.push({ callId, fnId, head: '{}', body: Buffer.alloc(1_024) }));
      report({ kind: 'pushed', callId });
    }
  };
  const consumer = async () => {
    for (;;) {
      const wanted = { holder: prefix, limit: 4, leaseMs: 30_000, waitMs: 1_000 };
      const deliveries = await untilAnswered(() => queue.reserve(wanted));
      for (const { lease, attempt } of deliveries) report({ kind: 'delivered', callId: lease.callId, attempt });
      await Promise.all(
        deliveries.map(async ({ lease }) => {
          const { kind } = await untilAnswered(() => queue.complete(lease, { head: '{}', body: Buffer.from('ok') }));
          if (kind === 'completed') report({ kind, callId: lease.callId });
        }),
      );
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, n) => (n % 4 === 0 ? consumer() : producer())));
}

if (require.main === module) {
  const [store = '', prefix = ''] = process.argv.slice(2);
  work(store, prefix).catch((error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  });
  // Exit together with the parent process.
  process.once('disconnect', () => process.exit());
}

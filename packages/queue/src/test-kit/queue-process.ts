import { type ChildProcess, fork } from 'node:child_process';
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

  /** @param prefix of the ids of its calls */
  static async start(path: string, prefix: string, onReport: (report: Acknowledged) => void): Promise<QueueProcess> {
    const child = fork(__filename, [path, prefix], { execArgv: ['--no-warnings'] });
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

async function work(path: string, prefix: string): Promise<void> {
  const queue = await openSqliteQueue({ path });
  const report = (acknowledged: Acknowledged) => process.send?.(acknowledged);
  process.send?.({ kind: 'ready' });
  let pushes = 0;
  const producer = async () => {
    for (;;) {
      pushes += 1;
      const callId = `${prefix}-${pushes}`;
      await queue.push({ callId, fnId: `f${pushes % 3}`, head: '{}', body: Buffer.alloc(1_024) });
      report({ kind: 'pushed', callId });
    }
  };
  const consumer = async () => {
    for (;;) {
      const deliveries = await queue.reserve({ holder: prefix, limit: 4, leaseMs: 30_000, waitMs: 1_000 });
      for (const { lease, attempt } of deliveries) report({ kind: 'delivered', callId: lease.callId, attempt });
      await Promise.all(
        deliveries.map(async ({ lease }) => {
          const { kind } = await queue.complete(lease, { head: '{}', body: Buffer.from('ok') });
          if (kind === 'completed') report({ kind, callId: lease.callId });
        }),
      );
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, n) => (n % 4 === 0 ? consumer() : producer())));
}

if (require.main === module) {
  const [path = '', prefix = ''] = process.argv.slice(2);
  work(path, prefix).catch((error: Error) => {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  });
  // Exit together with the parent process.
  process.once('disconnect', () => process.exit());
}

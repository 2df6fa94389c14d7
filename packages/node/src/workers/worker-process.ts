import { type ChildProcess, fork } from 'node:child_process';
import type { MetricSnapshot, MonoMs } from '@fnfleet/core';
import { type Addresses, isFailedMessage, isReadyMessage } from '../process-control.js';
import { type Do, type GroupMessage, isGroupMessage } from './group-messages.js';
import { WORKER_VARIABLE } from './worker-settings.js';

export interface WorkerEvents {
  onMessage(worker: Worker, message: GroupMessage): void;
  /** @param how human-readable: `with code 1`, `by SIGKILL` */
  onEnd(worker: Worker, how: string): void;
}

/** The part of a worker that the group uses. */
export type Worker = { [K in keyof WorkerProcess]: WorkerProcess[K] };

/** A worker of a balancer, as its parent process sees it. */
export class WorkerProcess {
  /** Resolves with its addresses; rejects when it exits before it listens. */
  readonly ready: Promise<Addresses>;
  readonly ended: Promise<void>;
  isReady = false;
  /** Consecutive liveness checks without an answer. */
  unanswered = 0;
  /** Its metrics at the last request. */
  counted: readonly MetricSnapshot[] = [];
  private readonly child: ChildProcess;

  /** @param number its number among the workers, starting at 1 */
  constructor(
    readonly number: number,
    readonly startedAt: MonoMs,
    env: Readonly<Record<string, string>>,
    events: WorkerEvents,
    /** The script that runs a role. */
    entry: string,
  ) {
    this.child = fork(entry, ['node'], {
      env: { ...process.env, ...env, [WORKER_VARIABLE]: String(number) },
      // JSON would lose fields that are undefined.
      serialization: 'advanced',
      // Detached, so that Ctrl-C in the terminal reaches only the parent, which stops the workers.
      detached: true,
    });
    const ready = Promise.withResolvers<Addresses>();
    this.ready = ready.promise;
    this.ready.catch(() => undefined); // without a listener, a rejection would end the process
    const ended = Promise.withResolvers<void>();
    this.ended = ended.promise;
    this.child.on('message', (message) => {
      if (isGroupMessage(message)) return events.onMessage(this, message);
      if (isFailedMessage(message)) ready.reject(new Error(message.failed));
      if (!isReadyMessage(message)) return;
      this.isReady = true;
      ready.resolve(message.ready);
    });
    this.child.once('exit', (code, signal) => {
      const how = signal ? `by ${signal}` : `with code ${code}`;
      ready.reject(new Error(`worker ${number} ended ${how} before it was ready`));
      events.onEnd(this, how);
      ended.resolve();
    });
    // Sending to a worker that has just exited fails; its exit is handled elsewhere.
    this.child.on('error', () => undefined);
  }

  send(message: Do | GroupMessage): void {
    if (this.child.connected) this.child.send(message);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

import { type ChildProcess, fork } from 'node:child_process';
import type { MetricSnapshot, MonoMs } from '@fnfleet/core';
import { type Addresses, isFailedMessage, isReadyMessage } from '../parent-messages.js';
import { type Do, type GroupMessage, isGroupMessage } from './group-messages.js';
import { WORKER_VARIABLE } from './worker-settings.js';

export interface WorkerEvents {
  onMessage(worker: Worker, message: GroupMessage): void;
  /** @param how for people: `with code 1`, `by SIGKILL` */
  onEnd(worker: Worker, how: string): void;
}

/** What the group needs of one. */
export type Worker = { [K in keyof WorkerProcess]: WorkerProcess[K] };

/** One of the processes of a balancer, as the one that started it sees it. */
export class WorkerProcess {
  /** Resolves with where it listens; rejects when it ends before that. */
  readonly ready: Promise<Addresses>;
  readonly ended: Promise<void>;
  isReady = false;
  /** Questions in a row that it has let pass without a word. */
  unanswered = 0;
  /** What it had counted when it was last asked. */
  counted: readonly MetricSnapshot[] = [];
  private readonly child: ChildProcess;

  /** @param number which one of its siblings it is, from 1 on */
  constructor(
    readonly number: number,
    readonly startedAt: MonoMs,
    env: Readonly<Record<string, string>>,
    events: WorkerEvents,
    /** The script that plays a role. */
    entry: string,
  ) {
    this.child = fork(entry, ['node'], {
      env: { ...process.env, ...env, [WORKER_VARIABLE]: String(number) },
      // Not as JSON: answers may be undefined.
      serialization: 'advanced',
      // A Ctrl-C in the terminal reaches only the one that started it, which says when to stop.
      detached: true,
    });
    const ready = Promise.withResolvers<Addresses>();
    this.ready = ready.promise;
    this.ready.catch(() => undefined); // whoever waits for it is told
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
    // A message to one that has just ended: its end is told anyway.
    this.child.on('error', () => undefined);
  }

  send(message: Do | GroupMessage): void {
    if (this.child.connected) this.child.send(message);
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }
}

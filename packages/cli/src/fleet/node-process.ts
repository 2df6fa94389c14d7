import { type ChildProcess, fork } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { isFailedMessage, isReadyMessage } from '@fnfleet/node';
import type { PlannedNode } from './fleet-plan.js';

/** Time limit for stopping a node that has no calls yet, milliseconds. */
const START_LIMIT_MS = 5_000;

const ENTRY = path.join(__dirname, '../../bin/fnfleet.js');

/** One node of a local fleet as a child process. Its output is passed on line by line, prefixed with its name. */
export class NodeProcess {
  /** Resolves when the node serves. Rejects when it ends before that, with its name and the reason. */
  readonly ready: Promise<void>;
  /** Resolves with the exit code or signal when the process has ended. */
  readonly ended: Promise<string>;
  private readonly child: ChildProcess;
  private running = true;
  private serves = false;

  constructor(
    readonly plan: PlannedNode,
    print: (line: string) => void,
  ) {
    this.child = fork(ENTRY, ['node'], {
      env: { ...plan.defaults, ...process.env, ...plan.env },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // Detached, so that Ctrl-C in the terminal reaches only this process: nodes have to stop in order.
      detached: true,
    });
    for (const output of [this.child.stdout, this.child.stderr]) if (output) forward(output, plan.name, print);
    this.ended = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => {
        this.running = false;
        resolve(signal ? `was terminated by ${signal}` : `exited with code ${code}`);
      });
    });
    this.ready = new Promise((resolve, reject) => {
      this.child.on('message', (message) => {
        if (isFailedMessage(message)) reject(new Error(`${plan.name} does not start: ${message.failed}`));
        if (!isReadyMessage(message)) return;
        this.serves = true;
        resolve();
      });
      void this.ended.then((how) => reject(new Error(`${plan.name} ${how} before it was ready`)));
    });
    this.ready.catch(() => undefined); // without a listener, a rejection would end the process
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Kills the process. Resolves when it is gone. */
  async kill(): Promise<void> {
    if (!this.running) return;
    this.child.kill('SIGKILL');
    await this.ended;
  }

  /** Drains the node and waits until it has ended. Kills it after the limit, or if it hangs before it ever served. */
  async stop(limitMs: number): Promise<void> {
    if (!this.running) return;
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), this.serves ? limitMs : START_LIMIT_MS);
    await this.ended;
    clearTimeout(timer);
  }
}

function forward(output: Readable, name: string, print: (line: string) => void): void {
  createInterface({ input: output }).on('line', (line) => print(`${name.padEnd(8)} ${line}`));
}

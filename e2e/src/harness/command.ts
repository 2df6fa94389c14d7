import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
import { callWitness, dismissWitness, type Witness, within } from '@fnfleet/testing';
import { ROOT } from './paths.js';

interface CommandOptions {
  /** What it is run by: `nsenter …` puts it into a namespace. */
  readonly within?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface CommandEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Below the limits of tests, which are two minutes or more. */
const PRINTS_MS = 60_000;
const ENDS_MS = 100_000;
/** What it printed may arrive later than its end. */
const KILLED_MS = 20_000;

/** `bin/fnfleet` as a user runs it, from the root of the repository. */
export class FnfleetCommand implements Witness {
  /** Everything printed so far, both outputs. */
  output = '';
  readonly name: string;
  private readonly end: Promise<CommandEnd>;
  private readonly child: ChildProcess;
  private over = false;
  private waiting: (() => void)[] = [];

  constructor(args: readonly string[], { env = {}, within = [] }: CommandOptions = {}) {
    const [program = '', ...rest] = [...within, path.join(ROOT, 'bin/fnfleet'), ...args];
    this.child = spawn(program, rest, {
      cwd: ROOT,
      env: { ...withoutFleetSettings(), PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.name = ['fnfleet', ...args, env.FN_NODE_TYPE, env.FN_PORT].filter(Boolean).join(' ');
    callWitness(this);
    for (const output of [this.child.stdout, this.child.stderr]) {
      output?.on('data', (chunk: Buffer) => {
        this.output += chunk;
        this.wake();
      });
    }
    this.end = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      // Not `exit`: what it printed last may come after that.
      this.child.once('close', (code, signal) => {
        this.over = true;
        this.wake();
        resolve({ code, signal });
      });
    });
  }

  get log(): string {
    return this.output;
  }

  /** Resolves when it has ended. @throws Error when it does not end in time */
  get ended(): Promise<CommandEnd> {
    return within(ENDS_MS, `the end of ${this.name}`, this.end);
  }

  /**
   * Resolves when it has printed something like this.
   * @throws Error when it ends before that, or does not print it in time
   */
  prints(pattern: RegExp): Promise<RegExpMatchArray> {
    return within(PRINTS_MS, `${this.name} prints ${pattern}`, this.matches(pattern));
  }

  /** Resolves when the node serves. @throws Error as `prints` */
  async ready(): Promise<void> {
    // Not every "ready": an address may be "already in use".
    await this.prints(/ INFO +ready /);
  }

  private async matches(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const found = this.output.match(pattern);
      if (found) return found;
      if (this.over) throw new Error(`${this.name} ended without printing ${pattern}:\n${this.output}`);
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** For the end of a test, however it went. Asks first, so that a fleet takes its nodes along, and kills it after `patienceMs`. */
  async stop(patienceMs = 20_000): Promise<void> {
    if (!this.over) {
      this.signal('SIGTERM');
      const timer = setTimeout(() => this.signal('SIGKILL'), patienceMs);
      try {
        await within(patienceMs + KILLED_MS, `the end of ${this.name}`, this.end);
      } finally {
        clearTimeout(timer);
      }
    }
    dismissWitness(this);
  }

  private wake(): void {
    for (const resolve of this.waiting.splice(0)) resolve();
  }
}

/** The environment of this process, without what would change what is tested. */
function withoutFleetSettings(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(FN_|DOCKER_|NODE_OPTIONS$)/.test(name));
  return Object.fromEntries(kept);
}

/** Runs a command to its end. */
export async function fnfleet(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const command = new FnfleetCommand(args, { env });
  try {
    const { code } = await command.ended;
    return { code, output: command.output };
  } finally {
    command.signal('SIGKILL');
    dismissWitness(command);
  }
}

import { type ChildProcess, spawn } from 'node:child_process';
import path from 'node:path';
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

/** `bin/fnfleet` as a user runs it, from the root of the repository. */
export class FnfleetCommand {
  /** Everything printed so far, both outputs. */
  output = '';
  readonly ended: Promise<CommandEnd>;
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
    for (const output of [this.child.stdout, this.child.stderr]) {
      output?.on('data', (chunk: Buffer) => {
        this.output += chunk;
        this.wake();
      });
    }
    this.ended = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      // Not `exit`: what it printed last may come after that.
      this.child.once('close', (code, signal) => {
        this.over = true;
        this.wake();
        resolve({ code, signal });
      });
    });
  }

  /**
   * Resolves when it has printed something like this.
   * @throws Error when it ends before that
   */
  async prints(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      const found = this.output.match(pattern);
      if (found) return found;
      if (this.over) throw new Error(`ended without printing ${pattern}:\n${this.output}`);
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** For the end of a test, however it went. Asks first, so that a fleet takes its nodes along, and kills it after `patienceMs`. */
  async stop(patienceMs = 20_000): Promise<void> {
    if (this.over) return;
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), patienceMs);
    await this.ended;
    clearTimeout(timer);
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
  const { code } = await command.ended;
  return { code, output: command.output };
}

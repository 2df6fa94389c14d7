import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import path from 'node:path';

/** A command that has not ended by then hangs, milliseconds. */
const COMMAND_LIMIT_MS = 60_000;
/** A shell that was told to end, likewise. */
const END_LIMIT_MS = 20_000;

/** A shell that commands are typed into, one after another. What one exports the next has. */
export class Terminal {
  /** Everything printed so far, both outputs. */
  output = '';
  private readonly shell: ChildProcess;
  private readonly closed: Promise<void>;
  private over = false;
  private onOutput: () => void = () => undefined;

  constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.shell = spawn('bash', ['--noprofile', '--norc'], {
      cwd: folder,
      env: { ...ownEnvironment(), ...env },
      stdio: 'pipe',
      // A group of its own, as a terminal gives it: Ctrl-C is for all of it.
      detached: true,
    });
    this.shell.stdin?.on('error', () => undefined);
    for (const output of [this.shell.stdout, this.shell.stderr]) {
      output?.setEncoding('utf8').on('data', (text: string) => {
        this.output += text;
        this.onOutput();
      });
    }
    this.closed = new Promise((resolve) => {
      this.shell.once('close', () => {
        this.over = true;
        resolve();
        this.onOutput();
      });
    });
  }

  /** Resolves with what the command printed, when it has ended. */
  async run(command: string): Promise<{ output: string; code: number }> {
    const begin = this.output.length;
    const mark = `end-${randomUUID()}`;
    const ended = new RegExp(`([\\s\\S]*)${mark} (\\d+)\\n`);
    this.shell.stdin?.write(`{ ${command}\n} 2>&1 </dev/null; echo "${mark} $?"\n`);
    return new Promise((resolve, reject) => {
      const limit = setTimeout(() => settle(new Error(`not over in ${COMMAND_LIMIT_MS} ms`)), COMMAND_LIMIT_MS);
      const settle = (end: Error | { output: string; code: number }) => {
        clearTimeout(limit);
        this.onOutput = () => undefined;
        if (end instanceof Error) reject(end);
        else resolve(end);
      };
      this.onOutput = () => {
        const [, output, code] = ended.exec(this.output.slice(begin)) ?? [];
        if (code !== undefined) settle({ output: output ?? '', code: Number(code) });
        else if (this.over) settle(new Error('the shell has ended'));
      };
    });
  }

  /** Ctrl-C, and the end of the shell. Resolves when both are over. */
  async interrupt(): Promise<void> {
    this.signal('SIGINT');
    await this.close();
  }

  async close(): Promise<void> {
    this.shell.stdin?.end();
    const timer = setTimeout(() => this.signal('SIGKILL'), END_LIMIT_MS);
    await this.closed;
    clearTimeout(timer);
  }

  private signal(name: NodeJS.Signals): void {
    if (this.shell.pid === undefined || this.over) return;
    process.kill(-this.shell.pid, name);
  }
}

/** Of this process, without what would change what is tested. */
function ownEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(FN_|OTEL_|NODE_OPTIONS$|npm_)/.test(name));
  return {
    ...Object.fromEntries(kept),
    NODE_DISABLE_COMPILE_CACHE: '1',
    PATH: `${path.dirname(process.execPath)}:${process.env.PATH}`,
  };
}

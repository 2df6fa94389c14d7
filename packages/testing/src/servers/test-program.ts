import { type ChildProcess, execFile, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { callWitness, dismissWitness, end, type Witness } from '../waiting.js';

const SCRIPTS = join(__dirname, '..', '..', '..', '..', 'scripts', 'lib');

/** The programs of the script that tests start themselves. */
type TestTool =
  | 'docker-registry'
  | 'etcd'
  | 'dnsmasq'
  | 'systemd-analyze'
  | 'docker-compose'
  | 'kubectl'
  | 'nats-server'
  | 'nats-server-2.10'
  | 'podman'
  | 'postgres'
  | 'prometheus'
  | 'curl'
  | 'nghttp'
  | 'strace'
  | 'h2load'
  | 'python3-h2';

/**
 * The path of a program that only tests need; see `test-tools.mjs` for how it is installed.
 * @throws Error in a test file that does not name the program in its `// needs:` (`test-files.cjs`)
 */
export async function testTool(name: TestTool): Promise<string> {
  const testFile = typeof expect === 'undefined' ? undefined : expect.getState().testPath;
  if (testFile !== undefined) {
    const { needsOf } = await script<{ needsOf(file: string): readonly string[] }>('test-files.cjs');
    if (!needsOf(testFile).includes(name)) {
      throw new Error(`${testFile} uses ${name}: say "// needs: ${name}" at the top of its source`);
    }
  }
  const { ensureTestTool } = await script<{ ensureTestTool(name: string): Promise<string> }>('test-tools.mjs');
  return ensureTestTool(name);
}

async function script<Exports>(name: string): Promise<Exports> {
  return (await import(pathToFileURL(join(SCRIPTS, name)).href)) as Exports;
}

/** A third-party server that runs for the duration of a test. */
export class TestProgram implements Witness {
  private readonly output: string[] = [];

  private constructor(
    readonly name: string,
    private readonly child: ChildProcess,
  ) {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.output.push(text));
    }
    callWitness(this);
  }

  /**
   * @param ready resolves when it serves
   * @param options for example another user
   */
  static async start(
    program: string,
    args: readonly string[],
    ready: () => Promise<void>,
    options: SpawnOptions = {},
  ): Promise<TestProgram> {
    const child = spawn(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'] });
    const running = new TestProgram(program, child);
    const ended = once(child, 'exit').then(() => {
      throw new Error(`${program} ended:\n${running.output.join('')}`);
    });
    ended.catch(() => undefined);
    try {
      await Promise.race([ready(), ended]);
      return running;
    } catch (error) {
      await running.kill();
      throw error;
    }
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** What it has written so far. */
  get log(): string {
    return this.output.join('');
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  /** Suspends it: it keeps its connections and answers nothing. */
  freeze(): void {
    this.signal('SIGSTOP');
  }

  thaw(): void {
    this.signal('SIGCONT');
  }

  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Sends a signal and waits until it has ended. */
  async end(signal: NodeJS.Signals): Promise<void> {
    await end(this.child, signal);
    dismissWitness(this);
  }
}

const FIXTURES = join(__dirname, '..', '..', 'fixtures');

/** Scripts for `/usr/bin/python3` with the module h2; each documents its usage at the top. */
export const H2_CLIENT = join(FIXTURES, 'h2_client.py');
export const H2_SERVER = join(FIXTURES, 'h2_server.py');

/** Runs a test program to its end. @returns its output @throws if it fails */
export async function runTool(
  name: Parameters<typeof testTool>[0],
  args: readonly string[],
  input: Buffer = Buffer.alloc(0),
): Promise<Buffer> {
  const program = await testTool(name);
  return new Promise((resolve, reject) => {
    const options = { encoding: 'buffer' as const, timeout: 60_000, maxBuffer: 64 * 1024 * 1024 };
    const child = execFile(program, args, options, (error, stdout, stderr) =>
      error ? reject(new Error(`${name} failed: ${error.message}\n${stderr}\n${stdout}`)) : resolve(stdout),
    );
    child.stdin?.on('error', () => undefined); // its end says more
    child.stdin?.end(input);
  });
}

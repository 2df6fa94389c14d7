import { type ChildProcess, fork } from 'node:child_process';
import { createLogger, readSettings } from '@fnfleet/core';
import { newApiServer } from '../api-server.js';
import { apiSettings } from '../settings.js';

/** An API node in a separate process, which tests can kill. */
export class ApiProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  /** @param env settings of the node */
  static async start(env: Record<string, string>): Promise<ApiProcess> {
    const child = fork(__filename, { env: { ...process.env, ...env }, execArgv: ['--no-warnings'] });
    const url = await new Promise<string>((resolve, reject) => {
      child.once('message', (message) => resolve(String(message)));
      child.once('exit', (code) => reject(new Error(`the api node ended with code ${code}`)));
    });
    return new ApiProcess(child, url);
  }

  /** Kills the process without a chance to clean up. */
  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await ended;
  }
}

if (require.main === module) {
  const logger = createLogger({ level: 'warn', format: 'text' });
  const server = newApiServer({ settings: readSettings(apiSettings, process.env), host: '127.0.0.1', port: 0, logger });
  server.ready.then(
    () => process.send?.(server.address.url),
    (error: Error) => {
      process.stderr.write(`${error.message}\n`);
      process.exit(1);
    },
  );
  // Exit together with the parent process.
  process.once('disconnect', () => process.exit());
}

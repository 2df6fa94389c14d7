import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { end, within } from '../waiting.js';
import { RegistryFront } from './registry-front.js';
import { testTool } from './test-program.js';

/** The credentials of a registry with authentication. */
export const REGISTRY_OPERATOR = { username: 'operator', password: 'open sesame' } as const;

/** The same, hashed with bcrypt. */
const HTPASSWD = 'operator:$2a$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n';

const START_MS = 45_000;

/** A real image registry for one test, initially empty. Docker accepts it without TLS on the loopback address. */
export class ImageRegistry {
  private constructor(
    readonly front: RegistryFront,
    private readonly child: ChildProcess,
    private readonly folder: string,
  ) {}

  /** @param locked requires the credentials of the operator */
  static async start({ locked = false } = {}): Promise<ImageRegistry> {
    const program = await testTool('docker-registry');
    const folder = await mkdtemp(join(tmpdir(), 'fnr'));
    await writeFile(join(folder, 'htpasswd'), HTPASSWD);
    await writeFile(join(folder, 'config.json'), JSON.stringify(configuration(folder, locked)));
    const child = spawn(program, ['serve', join(folder, 'config.json')], { stdio: ['ignore', 'ignore', 'pipe'] });
    const port = await within(START_MS, 'the port of the registry', portOf(child));
    const front = await RegistryFront.open(port);
    return new ImageRegistry(front, child, folder);
  }

  /** As in the name of an image: `127.0.0.1:port`. */
  get host(): string {
    return this.front.host;
  }

  async close(): Promise<void> {
    await this.front.close();
    await end(this.child, 'SIGTERM');
    await rm(this.folder, { recursive: true });
  }
}

/** JSON is YAML. */
function configuration(folder: string, locked: boolean): object {
  return {
    version: '0.1',
    log: { level: 'info', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, 'data') } },
    http: { addr: '127.0.0.1:0', secret: 'of a test' },
    ...(locked ? { auth: { htpasswd: { realm: 'test', path: join(folder, 'htpasswd') } } } : {}),
  };
}

async function portOf(child: ChildProcess): Promise<number> {
  const said: string[] = [];
  if (child.stderr === null) throw new Error('the registry was started without its log');
  const lines = createInterface({ input: child.stderr });
  try {
    for await (const line of lines) {
      said.push(line);
      const port = /listening on 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port !== undefined) return Number(port);
    }
  } finally {
    // Without a reader of its log it would block.
    child.stderr.resume();
  }
  throw new Error(`the registry did not start:\n${said.join('\n')}`);
}

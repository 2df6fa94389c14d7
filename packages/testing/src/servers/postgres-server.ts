import { execFile } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { eventually, within } from '../waiting.js';
import { freePort } from './free-ports.js';
import { TestProgram, testTool } from './test-program.js';

export interface PostgresOptions {
  /** Whether it syncs to the disk; false by default, because most tests are about other things. */
  readonly fsync?: boolean;
  /** Certificate and key of the server, as files. Without, it has no TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Parameters of its configuration. */
  readonly settings?: Readonly<Record<string, string>>;
}

const SUPERUSER = 'fnfleet';
/** Has characters that a URL encodes. */
const PASSWORD = 'pass/word: 100%';
/** Of the test itself, and of the programs that make a database: below the limit of a test. */
const CONNECT_MS = 10_000;
const STATEMENT_MS = 30_000;
const PROGRAM_MS = 45_000;
/** `nobody`: Postgres refuses to run as root. */
const UNPRIVILEGED = 65_534;

/** A real Postgres server on loopback and on a socket in its folder. */
export class PostgresServer {
  private program: TestProgram | undefined;
  private databases = 0;

  private constructor(
    private readonly binary: string,
    private readonly folder: string,
    readonly port: number,
    private readonly options: PostgresOptions,
  ) {}

  static async start(options: PostgresOptions = {}): Promise<PostgresServer> {
    const server = await PostgresServer.prepare(options);
    try {
      const passwordFile = join(server.folder, 'password');
      writeFileSync(passwordFile, PASSWORD, { mode: 0o644 });
      await server.run('initdb', [
        ...['-D', server.data, '-U', SUPERUSER, '--pwfile', passwordFile],
        ...['--auth', 'scram-sha-256', '--encoding', 'UTF8', '--locale', 'C.UTF-8', '--no-sync'],
      ]);
      await server.restart();
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  /** A hot standby of this server: it follows, and is read-only. */
  async standby(): Promise<PostgresServer> {
    const server = await PostgresServer.prepare(this.options);
    try {
      await server.run('pg_basebackup', [
        '-D',
        server.data,
        '-R',
        '-X',
        'stream',
        '-c',
        'fast',
        '-d',
        this.url('postgres'),
      ]);
      await server.restart();
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  private static async prepare(options: PostgresOptions): Promise<PostgresServer> {
    const binary = await testTool('postgres');
    const folder = mkdtempSync(join(tmpdir(), 'fnpg'));
    if (isRoot()) chownSync(folder, UNPRIVILEGED, UNPRIVILEGED);
    if (options.tls !== undefined) {
      for (const name of ['cert', 'key'] as const) {
        const copy = join(folder, name);
        writeFileSync(copy, readFileSync(options.tls[name]), { mode: 0o600 });
        if (isRoot()) chownSync(copy, UNPRIVILEGED, UNPRIVILEGED);
      }
    }
    return new PostgresServer(binary, folder, await freePort(), options);
  }

  /** The folder of its socket. */
  get socketFolder(): string {
    return this.folder;
  }

  get host(): string {
    return '127.0.0.1';
  }

  /** Value of FN_DB_URL. */
  url(database: string, { user = SUPERUSER, password = PASSWORD, query = '' } = {}): string {
    const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}`;
    return `postgres://${login}@${this.host}:${this.port}/${database}${query}`;
  }

  /** @returns the name of a new empty database */
  async createDatabase(options = ''): Promise<string> {
    this.databases += 1;
    const name = `test_${this.databases}`;
    await this.query('postgres', `create database ${name} ${options}`);
    return name;
  }

  async dropDatabase(name: string): Promise<void> {
    await this.query('postgres', `drop database ${name} with (force)`);
  }

  /** Executes statements as the superuser. @returns the rows of the last one */
  async query(database: string, ...statements: string[]): Promise<readonly Record<string, unknown>[]> {
    const session = await this.session(database);
    try {
      let rows: readonly Record<string, unknown>[] = [];
      for (const statement of statements) {
        rows = (await within(STATEMENT_MS, statement, session.query(statement))).rows;
      }
      return rows;
    } finally {
      await session.end();
    }
  }

  /** A connection of the superuser, which its caller ends. */
  async session(database: string): Promise<Client> {
    const { host, port } = this;
    const timeouts = { connectionTimeoutMillis: CONNECT_MS };
    const client = new Client({ host, port, user: SUPERUSER, password: PASSWORD, database, ssl: false, ...timeouts });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** What it has logged since its last start. */
  get log(): string {
    return this.program?.log ?? '';
  }

  /** @param settings additional parameters, for this run only */
  async restart(settings: Readonly<Record<string, string>> = {}): Promise<void> {
    await this.stop();
    const fsync = this.options.fsync ? 'on' : 'off';
    const parameters = {
      listen_addresses: this.host,
      port: String(this.port),
      unix_socket_directories: this.folder,
      fsync,
      full_page_writes: fsync,
      ...(this.options.tls && {
        ssl: 'on',
        ssl_cert_file: join(this.folder, 'cert'),
        ssl_key_file: join(this.folder, 'key'),
      }),
      ...this.options.settings,
      ...settings,
    };
    const args = Object.entries(parameters).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const ready = () => eventually(async () => void (await this.query('postgres', 'select 1')));
    this.program = await TestProgram.start(this.binary, ['-D', this.data, ...args], ready, asUnprivileged());
  }

  /** Like a crash: sessions are cut off, and nothing is written any more. */
  async stop(): Promise<void> {
    this.thaw();
    await this.program?.end('SIGQUIT');
    this.program = undefined;
  }

  /** All its processes at once, with SIGKILL. */
  async kill(): Promise<void> {
    const pids = this.processes();
    for (const pid of pids) signal(pid, 'SIGKILL');
    await this.program?.kill();
    this.program = undefined;
    // It does not start while one of them has its memory.
    await eventually(() => {
      if (pids.some((pid) => existsSync(`/proc/${pid}`))) throw new Error('a process of Postgres is still there');
    });
  }

  /** Suspends it with all its sessions: it keeps the connections and answers nothing. */
  freeze(): void {
    for (const pid of this.processes()) signal(pid, 'SIGSTOP');
  }

  thaw(): void {
    for (const pid of this.processes()) signal(pid, 'SIGCONT');
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  private get data(): string {
    return join(this.folder, 'data');
  }

  private processes(): number[] {
    const pid = this.program?.pid;
    if (pid === undefined) return [];
    const others = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && parentOf(name) === pid);
    return [pid, ...others.map(Number)];
  }

  private async run(program: string, args: readonly string[]): Promise<void> {
    const binary = join(dirname(this.binary), program);
    const work = promisify(execFile)(binary, args, { ...asUnprivileged(), timeout: PROGRAM_MS });
    await within(PROGRAM_MS, program, work);
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

function asUnprivileged() {
  return isRoot() ? { uid: UNPRIVILEGED, gid: UNPRIVILEGED, cwd: '/' } : { cwd: '/' };
}

/** A session may have ended meanwhile. */
function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function parentOf(pid: string): number | undefined {
  try {
    // The name of a program is in parentheses and may contain any character.
    return Number(readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\)/s, '').trim().split(' ')[1]);
  } catch {
    return undefined;
  }
}

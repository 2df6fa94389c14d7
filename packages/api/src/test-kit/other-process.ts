import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';

const PROGRAM = `
  const { DatabaseSync } = require('node:sqlite');
  const database = new DatabaseSync(process.argv[1], { timeout: 10000 });
  require('node:readline').createInterface({ input: process.stdin }).on('line', (sql) => {
    try {
      const statement = database.prepare(sql);
      const said = statement.columns().length > 0 ? { rows: statement.all() } : statement.run();
      console.log(JSON.stringify(said));
    } catch (error) {
      console.log(JSON.stringify({ error: error.message }));
    }
  }).on('close', () => process.exit());
`;

/** Another process that has a database open and executes one statement after the other. */
export class OtherProcess {
  private readonly child: ChildProcess;
  private readonly lines: Interface;

  constructor(path: string) {
    this.child = spawn(process.execPath, ['--no-warnings', '-e', PROGRAM, path], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    if (this.child.stdout === null) throw new Error('no output');
    this.lines = createInterface({ input: this.child.stdout });
  }

  /** @returns the rows. @throws Error of SQLite */
  async exec(sql: string): Promise<readonly Record<string, unknown>[]> {
    const answered = new Promise<string>((resolve) => this.lines.once('line', resolve));
    this.child.stdin?.write(`${sql}\n`);
    const { rows = [], error } = JSON.parse(await answered);
    if (error !== undefined) throw new Error(error);
    return rows;
  }

  async end(): Promise<void> {
    if (this.child.exitCode !== null) return;
    const ended = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.stdin?.end();
    await ended;
  }
}

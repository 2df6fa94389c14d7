import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../waiting.js';
import { freePort } from './free-ports.js';
import { TestProgram, testTool } from './test-program.js';

/** A real etcd with one member, which can be restarted with or without its data. */
export class EtcdServer {
  private program: TestProgram | undefined;

  private constructor(
    private readonly folder: string,
    private readonly port: number,
    private readonly peerPort: number,
  ) {}

  static async start(): Promise<EtcdServer> {
    const folder = await mkdtemp(join(tmpdir(), 'fnetcd'));
    const server = new EtcdServer(folder, await freePort(), await freePort());
    try {
      await server.restart();
      return server;
    } catch (error) {
      await server.close();
      throw error;
    }
  }

  /** `host:port` */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async restart({ empty = false } = {}): Promise<void> {
    await this.stop();
    if (empty) await rm(join(this.folder, 'data'), { recursive: true, force: true });
    const client = `http://${this.address}`;
    const peer = `http://127.0.0.1:${this.peerPort}`;
    const args = [
      ['--data-dir', join(this.folder, 'data')],
      ['--listen-client-urls', client],
      ['--advertise-client-urls', client],
      ['--listen-peer-urls', peer],
      ['--initial-advertise-peer-urls', peer],
      ['--initial-cluster', `default=${peer}`],
      ['--unsafe-no-fsync'],
    ].flat();
    this.program = await TestProgram.start(await testTool('etcd'), args, () => eventually(() => this.mustBeWell()));
  }

  async stop(): Promise<void> {
    await this.program?.kill();
    this.program = undefined;
  }

  freeze(): void {
    this.program?.freeze();
  }

  thaw(): void {
    this.program?.thaw();
  }

  async close(): Promise<void> {
    await this.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  put(key: string, value: string): Promise<unknown> {
    return this.call('/v3/kv/put', { key: base64(key), value: base64(value) });
  }

  delete(key: string): Promise<unknown> {
    return this.call('/v3/kv/deleterange', { key: base64(key) });
  }

  /** All keys and values below a prefix. */
  async read(prefix: string): Promise<Record<string, string>> {
    const end = `${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)}`;
    const { kvs = [] } = await this.call<{ kvs?: { key: string; value: string }[] }>('/v3/kv/range', {
      key: base64(prefix),
      range_end: base64(end),
    });
    return Object.fromEntries(kvs.map(({ key, value }) => [text(key), text(value)]));
  }

  private async mustBeWell(): Promise<void> {
    const answer = await fetch(`http://${this.address}/health`, { signal: AbortSignal.timeout(2000) });
    const { health } = (await answer.json()) as { health?: string };
    if (health !== 'true') throw new Error(`etcd is not well: ${health}`);
  }

  /** A request to its HTTP gateway. @throws Error with its answer unless that is 200 */
  async call<T = unknown>(path: string, body: object, token?: string): Promise<T> {
    const headers = token === undefined ? undefined : { authorization: token };
    const answer = await fetch(`http://${this.address}${path}`, {
      method: 'POST',
      body: JSON.stringify(body),
      headers,
      // Only says when to give up: it writes to the disk, which others may keep busy.
      signal: AbortSignal.timeout(30_000),
    });
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return (await answer.json()) as T;
  }
}

function base64(value: string): string {
  return Buffer.from(value).toString('base64');
}

function text(value: string): string {
  return Buffer.from(value, 'base64').toString();
}

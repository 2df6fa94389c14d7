import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { FnfleetCommand } from './command.js';
import { Footprint } from './footprint.js';
import { ROOT } from './paths.js';

/** Nodes of a fleet, each a process of `bin/fnfleet` that its test may kill and start again, and what they have on this machine. */
export class NodeProcesses {
  readonly footprint = new Footprint();
  private readonly nodes = new Map<string, FnfleetCommand>();
  private readonly iofs = path.join(this.footprint.dataDir, 'iofs');

  constructor() {
    mkdirSync(this.iofs);
  }

  /** Resolves when it serves. @param name for `kill`, and of the process before it */
  async start(name: string, env: Readonly<Record<string, string>>): Promise<void> {
    const { footprint } = this;
    const node = new FnfleetCommand(['node'], { env: { ...footprint.env, FN_BIND_ADDRESS: '127.0.0.1', ...env } });
    this.nodes.set(name, node);
    await node.ready();
  }

  /** A runner without containers: its functions are those of `e2e/functions`, as processes. */
  startRunner(name: string, { port, grpcPort }: { readonly port: number; readonly grpcPort: number }): Promise<void> {
    return this.start(name, {
      FN_NODE_TYPE: 'pure-runner',
      FN_PORT: `${port}`,
      FN_GRPC_PORT: `${grpcPort}`,
      FN_IOFS_PATH: this.iofs,
      FN_DRIVER: 'process',
      FN_PROCESS_FUNCTIONS: path.join(ROOT, 'e2e/functions'),
    });
  }

  get(name: string): FnfleetCommand {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return node;
  }

  /** As a crash would. */
  async kill(name: string): Promise<void> {
    this.get(name).signal('SIGKILL');
    await this.get(name).ended;
  }

  /** Drains them. Resolves with what is left on the machine although nothing should be. */
  async stop(): Promise<string[]> {
    await Promise.all([...this.nodes.values()].map((node) => node.stop()));
    const left = await this.footprint.leftovers();
    this.footprint.remove();
    return left;
  }
}

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Docker from 'dockerode';

/**
 * What a fleet has on this machine while it runs, and must not have afterwards. Everything it makes is told by one folder
 * of its own: its files are in there, its containers mount a directory of it, and its processes, functions too, have its
 * name in their environment.
 */
export class Footprint {
  readonly folder = mkdtempSync(path.join(tmpdir(), 'e2e-'));
  readonly dataDir = path.join(this.folder, 'data');
  readonly tempDir = path.join(this.folder, 'tmp');
  /** For every process of the fleet. What jest needs of Node is not for them. */
  readonly env = { TMPDIR: this.tempDir, NODE_OPTIONS: '' } as const;
  private readonly docker = new Docker();

  constructor() {
    for (const dir of [this.dataDir, this.tempDir]) mkdirSync(dir);
  }

  /** Ids of containers, in whatever state they are. */
  async containers(): Promise<string[]> {
    const all = await this.docker.listContainers({ all: true });
    return all.filter(({ Mounts }) => Mounts.some(({ Source }) => this.owns(Source))).map(({ Id }) => Id);
  }

  processes(): { pid: number; command: string }[] {
    const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
    return pids
      .filter((pid) => readProc(pid, 'environ').includes(this.folder))
      .map((pid) => ({ pid: Number(pid), command: readProc(pid, 'cmdline').replaceAll('\0', ' ').trim() }));
  }

  /** Temporary files, and directories for sockets. The database may stay: it was given a place to stay. */
  files(): string[] {
    return [this.tempDir, path.join(this.dataDir, 'iofs')].flatMap(list);
  }

  /** Everything that is left, in words; empty when all is well. */
  async leftovers(): Promise<string[]> {
    const containers = await this.containers();
    return [
      ...containers.map((id) => `container ${id}`),
      ...this.processes().map(({ pid, command }) => `process ${pid}: ${command}`),
      ...this.files().map((file) => `file ${file}`),
    ];
  }

  /** Forgets the folder itself. */
  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private owns(file: string): boolean {
    return file.startsWith(`${this.folder}/`);
  }
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir).map((name) => path.join(dir, name));
  } catch {
    return [];
  }
}

/** Empty for a process that has ended meanwhile. */
function readProc(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
}

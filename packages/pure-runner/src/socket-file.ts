import { type BigIntStats, chmodSync, linkSync, lstatSync, mkdirSync, renameSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { isDeserted } from '@fnfleet/core';

/** Only the user that owns the socket, and root, may connect. */
const SOCKET_MODE = 0o600;
const DIRECTORY_MODE = 0o700;
/** Connecting needs the permission to write. */
const NO_WRITING_BY_OTHERS = 0o022;

/**
 * The file of the unix socket on which a server of this process listens. Never removes what is not a socket, or the socket of another
 * process that is alive.
 */
export class SocketFile {
  /** Identifies our file once it exists. */
  private own: BigIntStats | undefined;

  constructor(private readonly path: string) {}

  /**
   * Creates the directory if it does not exist, and removes the socket of a process that has ended.
   * @throws Error if a process listens there, or the path is not free for another reason
   */
  async claim(): Promise<void> {
    mkdirSync(dirname(this.path), { recursive: true, mode: DIRECTORY_MODE });
    const found = this.found();
    if (found === undefined) return;
    if (!found.isSocket()) throw new Error('there is something else than a socket, which is left alone');
    if (!(await isDeserted(() => connect(this.path)))) throw new Error(IN_USE);
    this.remove(found);
  }

  /** Starts to listen, and calls back as `server.listen` does. Errors are emitted by the server. */
  listen(server: Server, onListening: () => void): void {
    // Node binds and listens at once. From then on the file exists, so it must not be open to others for a moment.
    withoutWritingByOthers(() => server.listen(this.path, onListening));
    if (!server.listening) return;
    chmodSync(this.path, SOCKET_MODE);
    this.own = this.found();
  }

  /** Closes the server, and removes its file. */
  close(server: Server, onClosed: () => void): void {
    const found = this.found();
    if (this.own === undefined || found === undefined || isSame(found, this.own)) return void server.close(onClosed);
    // Node removes whatever has this name, even if it now belongs to another process.
    const kept = this.besides();
    const isKept = tryTo(() => linkSync(this.path, kept));
    server.close(onClosed);
    if (isKept) renameSync(kept, this.path);
  }

  /** Another process that is starting may have replaced the file since it was looked at. */
  private remove(deserted: BigIntStats): void {
    const aside = this.besides();
    renameSync(this.path, aside);
    const isOther = !isSame(lstatSync(aside, { bigint: true }), deserted);
    if (isOther) tryTo(() => linkSync(aside, this.path));
    unlinkSync(aside);
    if (isOther) throw new Error(IN_USE);
  }

  private found(): BigIntStats | undefined {
    return lstatSync(this.path, { bigint: true, throwIfNoEntry: false });
  }

  private besides(): string {
    return `${this.path}.${process.pid}`;
  }
}

const IN_USE = 'another process listens there';

/** The number of a file may be used again for its successor, but not with the same time. */
function isSame(one: BigIntStats, other: BigIntStats): boolean {
  return one.dev === other.dev && one.ino === other.ino && one.mtimeNs === other.mtimeNs;
}

function withoutWritingByOthers(act: () => void): void {
  // Other threads cannot change it.
  if (!isMainThread) return act();
  const before = process.umask(NO_WRITING_BY_OTHERS);
  process.umask(before | NO_WRITING_BY_OTHERS);
  try {
    act();
  } finally {
    process.umask(before);
  }
}

function tryTo(act: () => void): boolean {
  try {
    act();
    return true;
  } catch {
    return false;
  }
}

import type { Clock, Logger } from '@fnfleet/core';
import type { ExitResult, OutputListener, OutputSource } from '../driver.js';
import { drainOutput } from '../waiting.js';
import type { Attachment, Engine } from './engine.js';
import { isNotFound } from './engine-errors.js';

const REATTACH_MS = 1_000;

interface OutputFollowerDeps {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Passes on the output of one container from its start. When the connection is lost (the daemon restarts), it reattaches; output
 * from in between is lost. A function also runs without it, so nothing here fails.
 */
export class OutputFollower {
  /** Aborted when no new output can appear. */
  private readonly over = new AbortController();
  private attachment: Attachment | undefined;
  private following: Promise<void> = Promise.resolve();

  constructor(
    private readonly containerId: string,
    private readonly listener: OutputListener,
    exit: Promise<ExitResult>,
    private readonly deps: OutputFollowerDeps,
  ) {
    void exit.then(() => this.over.abort());
  }

  /** Attaches. Resolves when that succeeded or failed. Call it before the start of the container. */
  async open(): Promise<void> {
    try {
      this.attachment = await this.deps.engine.attachOutput(this.containerId);
    } catch (error) {
      this.complain('cannot attach to the output of a container, retrying; its output is lost until then', error);
    }
    // Closed while it was being attached.
    if (this.over.signal.aborted) this.attachment?.close();
    else this.following = this.follow();
  }

  /** Call it after the container was removed. Resolves when all its output has been passed on. */
  close(): Promise<void> {
    this.over.abort();
    return drainOutput(this.following, () => this.attachment?.close(), this.deps.clock);
  }

  private async follow(): Promise<void> {
    for (;;) {
      if (this.attachment) await this.passOn(this.attachment);
      await this.deps.clock.sleep(REATTACH_MS, this.over.signal);
      if (this.over.signal.aborted) return;
      this.attachment = await this.reattach();
      if (this.over.signal.aborted) return this.attachment?.close();
    }
  }

  /** The end of the container and the loss of the connection look the same. */
  private async passOn(attachment: Attachment): Promise<void> {
    const frames = new OutputFrames();
    try {
      for await (const chunk of attachment.frames) frames.push(chunk, this.listener);
    } catch {
      // Stopped, or lost.
    }
    attachment.close();
  }

  private async reattach(): Promise<Attachment | undefined> {
    try {
      const attachment = await this.deps.engine.attachOutput(this.containerId);
      this.complain('reattached to the output of a container; output in between was lost');
      return attachment;
    } catch (error) {
      if (isNotFound(error)) this.over.abort();
      return undefined;
    }
  }

  private complain(message: string, error?: unknown): void {
    if (!this.over.signal.aborted) this.deps.logger.warn(message, { container: this.containerId, error });
  }
}

/** The head of a frame: one byte for the stream, three unused, and four for the length, big-endian. */
const HEAD_BYTES = 8;
const STDERR = 2;

/**
 * Demultiplexes the stream in which the engine sends both outputs of a container. Buffers only an incomplete head; the content
 * of frames is passed on in the chunks in which it arrives.
 */
export class OutputFrames {
  private readonly head = Buffer.alloc(HEAD_BYTES);
  private headBytes = 0;
  private leftInFrame = 0;
  private source: OutputSource = 'stdout';

  push(chunk: Buffer, listener: OutputListener): void {
    for (let at = 0; at < chunk.length; ) {
      if (this.leftInFrame === 0) {
        at += this.readHead(chunk, at);
        continue;
      }
      const piece = chunk.subarray(at, at + this.leftInFrame);
      this.leftInFrame -= piece.length;
      at += piece.length;
      listener(piece, this.source);
    }
  }

  /** Returns how many bytes it consumed. */
  private readHead(chunk: Buffer, at: number): number {
    const taken = chunk.copy(this.head, this.headBytes, at, at + HEAD_BYTES - this.headBytes);
    this.headBytes += taken;
    if (this.headBytes === HEAD_BYTES) {
      this.headBytes = 0;
      this.source = this.head[0] === STDERR ? 'stderr' : 'stdout';
      this.leftInFrame = this.head.readUInt32BE(4);
    }
    return taken;
  }
}

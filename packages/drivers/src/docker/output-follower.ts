import type { Clock, Logger } from '@fnfleet/core';
import { drainOutput } from '../drain-output.js';
import type { ExitResult, OutputListener } from '../driver.js';
import type { Attachment, Engine } from './engine.js';
import { isNotFound } from './engine-errors.js';
import { OutputFrames } from './output-frames.js';

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
  async begin(): Promise<void> {
    try {
      this.attachment = await this.deps.engine.attachOutput(this.containerId);
    } catch (error) {
      this.complain('cannot attach to the output of a container, retrying; its output is lost until then', error);
    }
    // Closed while it was being attached.
    if (this.over.signal.aborted) this.attachment?.stop();
    else this.following = this.follow();
  }

  /** Call it after the container was removed. Resolves when all its output has been passed on. */
  finish(): Promise<void> {
    this.over.abort();
    return drainOutput(this.following, () => this.attachment?.stop(), this.deps.clock);
  }

  private async follow(): Promise<void> {
    for (;;) {
      if (this.attachment) await this.passOn(this.attachment);
      await this.deps.clock.sleep(REATTACH_MS, this.over.signal);
      if (this.over.signal.aborted) return;
      this.attachment = await this.reattach();
      if (this.over.signal.aborted) return this.attachment?.stop();
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
    attachment.stop();
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

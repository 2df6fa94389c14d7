import { randomBytes } from 'node:crypto';
import { FakeClock, systemClock } from '@fnfleet/core';
import type { NatsServer } from '@fnfleet/testing';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { QueueBounds } from '../bounds.js';
import type { MessageQueue } from '../message-queue.js';
import { LogTrouble, logProblemOf, translatedLog } from '../nats/log-trouble.js';
import {
  NatsEngine,
  type NatsEngineOptions,
  type NatsEngineParts,
  type NatsReply,
  type NatsRequest,
} from '../nats/nats-engine.js';
import { type NatsQueueOptions, type NatsThread, openNatsQueue } from '../nats/nats-queue.js';
import type { QueueSetup } from './queue-setup.js';

/** A queue of its own in a real NATS server that many tests share. */
export class NatsSetup implements QueueSetup {
  readonly clock = new FakeClock();
  readonly url: string;
  private readonly name = `q${randomBytes(6).toString('hex')}`;
  private bounds: Partial<QueueBounds> | undefined;
  private queue: MessageQueue | undefined;
  private thread: InlineNats | undefined;

  /**
   * @param isInline whether the test itself executes the operations, in place of a thread
   * @param syncs whether the server must show that it syncs what it acknowledges
   */
  constructor(
    private readonly server: NatsServer,
    private readonly isInline: boolean,
    private readonly syncs = false,
  ) {
    this.url = server.url(this.name, { query: syncs ? `?monitor=${server.monitor}` : '' });
  }

  async open(bounds = this.bounds): Promise<MessageQueue> {
    this.bounds = bounds;
    const options: NatsQueueOptions = {
      url: this.url,
      clock: this.clock,
      bounds,
      // The server works in real time, and must not be too slow for a clock that jumps.
      timeoutMs: Number.MAX_SAFE_INTEGER,
      allowUnsynced: !this.syncs,
      ...(this.isInline && {
        startThread: (engine: NatsEngineOptions) => {
          this.thread = new InlineNats(engine);
          return this.thread;
        },
      }),
    };
    this.queue = await this.leading(options);
    return this.queue;
  }

  /** A busy server takes a while to notice that the node before is gone, and this one looks again only when its clock goes on. */
  private async leading(options: NatsQueueOptions): Promise<MessageQueue> {
    for (;;) {
      const queue = await openNatsQueue(options);
      try {
        await queue.stats();
        return queue;
      } catch (error) {
        await queue.close();
        if ((error as { readonly code?: string }).code !== 'queueUnavailable') throw error;
      }
    }
  }

  async kill(): Promise<void> {
    if (this.isInline) await this.thread?.kill();
    else await this.queue?.close();
  }

  async remove(): Promise<void> {
    await this.kill();
    await removeStreams(this.server, this.name);
  }
}

export async function removeStreams(server: NatsServer, name: string): Promise<void> {
  const connection = await connect({ servers: server.address });
  const manager = await jetstreamManager(connection);
  for (const stream of ['log', 'snapshots']) await manager.streams.delete(`${name}-${stream}`).catch(() => undefined);
  await connection.close();
}

/** Executes batches in the process of the test. It can be killed before, meanwhile, and afterwards. */
export class InlineNats implements NatsThread {
  private readonly engine: NatsEngine;
  private readonly translate: ReturnType<typeof translatedLog>;
  private isKilled = false;

  constructor(options: NatsEngineOptions, parts: Partial<NatsEngineParts> = {}) {
    this.engine = new NatsEngine(options, { clock: systemClock, ...parts });
    this.translate = translatedLog(options.url);
  }

  async ask(request: NatsRequest): Promise<NatsReply | undefined> {
    this.mustLive();
    const reply = await this.engine.handle(request).catch((error: unknown) => {
      throw this.translate(logProblemOf(error));
    });
    this.mustLive();
    return reply;
  }

  async close(): Promise<void> {
    await this.engine.handle({ kind: 'close' });
  }

  /** What the server has not received by now, it never receives. */
  async kill(): Promise<void> {
    this.isKilled = true;
    await this.close();
  }

  private mustLive(): void {
    if (this.isKilled) throw this.translate(logProblemOf(new LogTrouble('standby', 'killed')));
  }
}

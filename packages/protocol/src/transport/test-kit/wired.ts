import { Connection } from '../connection.js';
import type { ConnectionOptions } from '../connection-options.js';
import type { HeaderList } from '../header-list.js';
import type { Http2Stream, StreamListener, StreamLoss } from '../http2-stream.js';
import { FakeSocket } from './fake-socket.js';
import { framesIn, HELLO, type RawFrame, SETTINGS } from './frames.js';

/** The events of a stream. */
export class StreamEvents implements StreamListener {
  readonly lists: HeaderList[] = [];
  readonly parts: Buffer[] = [];
  ended = false;
  writable = 0;
  /** Not undefined if both ends have ended it: Jest treats an array with undefined as equal to an empty one. */
  closed: (StreamLoss | 'complete')[] = [];
  stream: Http2Stream | undefined;

  onHeaders(list: HeaderList): void {
    this.lists.push(list);
  }
  onData(bytes: Buffer): void {
    this.parts.push(Buffer.from(bytes));
  }
  onEnd(): void {
    this.ended = true;
  }
  onWritable(): void {
    this.writable += 1;
  }
  onClose(loss: StreamLoss | undefined): void {
    this.closed.push(loss ?? 'complete');
  }

  get text(): string {
    return Buffer.concat(this.parts).toString();
  }
}

/** One end of a connection; the test is the other end. */
export class Wired {
  readonly socket = new FakeSocket();
  readonly connection: Connection;
  readonly opened: { stream: Http2Stream; head: HeaderList; received: StreamEvents }[] = [];
  readonly closes: Error[] = [];
  readonly faults: Error[] = [];
  goaways = 0;
  private seen = 0;

  constructor(role: ConnectionOptions['role'], options: Partial<ConnectionOptions> = {}) {
    this.connection = new Connection(this.socket.asSocket, {
      role,
      streamWindowBytes: 65_535,
      connectionWindowBytes: 1_000_000,
      maxStreams: 100,
      stuckLooks: 3,
      stalledLooks: 3,
      events: {
        onStream: (stream, head) => {
          const received = new StreamEvents();
          received.stream = stream;
          stream.listener = received;
          this.opened.push({ stream, head, received });
        },
        onGoaway: () => {
          this.goaways += 1;
        },
        onFault: (error) => this.faults.push(error),
        onClose: (error) => this.closes.push(error),
      },
      ...options,
    });
  }

  /** Both ends have exchanged their first frames. */
  static async ready(role: ConnectionOptions['role'], options: Partial<ConnectionOptions> = {}): Promise<Wired> {
    const wired = new Wired(role, options);
    wired.say(role === 'server' ? HELLO : SETTINGS);
    await wired.turn();
    wired.news();
    return wired;
  }

  say(...bytes: Buffer[]): void {
    this.socket.emit('data', Buffer.concat(bytes));
  }

  /** Waits until everything that this turn of the event loop sends was written, with its consequences. */
  async turn(): Promise<void> {
    for (let i = 0; i < 3; i += 1) await new Promise((resolve) => setImmediate(resolve));
  }

  /** Frames written since the last call. */
  news(): RawFrame[] {
    const frames = framesIn(this.socket.written);
    const fresh = frames.slice(this.seen);
    this.seen = frames.length;
    return fresh;
  }
}

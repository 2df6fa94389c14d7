import { connect, createServer, type Socket } from 'node:net';
import { Deferred } from '@fnfleet/core';
import {
  FLAG,
  FRAME,
  FrameReader,
  headersFrame,
  PREFACE,
  pingFrame,
  type RawFrame,
  rawFrame,
  settingsFrame,
  windowUpdateFrame,
} from './frames.js';
import { HeaderDecoder, type HeaderLines, literalHeaders } from './hpack.js';

export interface RawConnectionOptions {
  /** Acknowledges SETTINGS. Default true. */
  readonly acknowledges?: boolean;
  /** Answers PING. Default true. */
  readonly answersPings?: boolean;
  /** Sends WINDOW_UPDATE for received DATA. Default true. */
  readonly grantsWindow?: boolean;
}

export interface RawDialOptions extends RawConnectionOptions {
  /** The local address; on Linux any in 127.0.0.0/8. */
  readonly localAddress?: string;
  /** Keeps this half open when the peer closes its own. */
  readonly allowHalfOpen?: boolean;
}

export interface RawHeaders {
  readonly streamId: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly endStream: boolean;
}

/**
 * One end of an HTTP/2 connection that a test controls frame by frame. It enforces no rules: whatever the test writes is sent
 * unchanged. By default it does only what keeps a connection alive.
 */
export class RawConnection {
  /** All received frames, in order. */
  readonly received: RawFrame[] = [];
  /** The received header blocks, decoded. */
  readonly heads: RawHeaders[] = [];
  /** Resolves when the connection is closed, by either side. */
  readonly closed: Promise<void>;
  isClosed = false;
  private readonly reader = new FrameReader();
  private readonly decoder = new HeaderDecoder();
  private readonly waiting = new Set<() => void>();
  private prefaceBytes: number;
  private block: { readonly streamId: number; readonly endStream: boolean; readonly parts: Buffer[] } | undefined;

  constructor(
    readonly socket: Socket,
    side: 'client' | 'server',
    private readonly options: RawConnectionOptions = {},
  ) {
    this.prefaceBytes = side === 'server' ? PREFACE.length : 0;
    socket.on('error', () => undefined); // `close` follows
    socket.on('data', (chunk: Buffer) => this.onData(chunk));
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.isClosed = true;
        this.wake();
        resolve();
      });
    });
  }

  /** Connects and sends nothing. */
  static async dial(port: number, options: RawDialOptions = {}): Promise<RawConnection> {
    const { localAddress, allowHalfOpen } = options;
    const socket = connect({ port, host: '127.0.0.1', noDelay: true, localAddress, allowHalfOpen });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RawConnection(socket, 'client', options);
  }

  /** Connects and sends the preface and SETTINGS of a client. */
  static async client(
    port: number,
    options: RawDialOptions & { readonly settings?: Parameters<typeof settingsFrame>[0] } = {},
  ): Promise<RawConnection> {
    const connection = await RawConnection.dial(port, options);
    connection.write(PREFACE, settingsFrame(options.settings));
    return connection;
  }

  /** Sends frames in one write. Returns false when the socket is full. */
  write(...bytes: readonly Buffer[]): boolean {
    return this.socket.destroyed ? false : this.socket.write(Buffer.concat(bytes));
  }

  /** Like `write`; resolves when the socket has room again or is closed. */
  async writeAll(...bytes: readonly Buffer[]): Promise<void> {
    if (this.write(...bytes) || this.isClosed) return;
    const drained = new Deferred<void>();
    this.socket.once('drain', drained.resolve);
    await Promise.race([drained.promise, this.closed]);
  }

  /** Resolves with the first past or future frame that matches. Rejects if the connection closes before. */
  frame(matches: (frame: RawFrame) => boolean): Promise<RawFrame> {
    return this.until(() => this.received.find(matches), 'frame');
  }

  /** Like `frame`, for header blocks. */
  head(matches: (head: RawHeaders) => boolean): Promise<RawHeaders> {
    return this.until(() => this.heads.find(matches), 'header block');
  }

  async until<T>(find: () => T | undefined, what: string): Promise<T> {
    for (;;) {
      const found = find();
      if (found !== undefined) return found;
      if (this.isClosed) throw new Error(`closed without such a ${what}; ${this.summary()}`);
      await new Promise<void>((resolve) => this.waiting.add(resolve));
    }
  }

  /** The bytes of all DATA frames of a stream. */
  dataOf(streamId: number): Buffer {
    return Buffer.concat(
      this.received.flatMap((frame) =>
        frame.type === FRAME.DATA && frame.streamId === streamId ? [frame.payload] : [],
      ),
    );
  }

  /** Sends HEADERS, which open, answer or end a stream. */
  sendHeaders(streamId: number, headers: HeaderLines, { endStream = false } = {}): void {
    const flags = FLAG.END_HEADERS | (endStream ? FLAG.END_STREAM : 0);
    this.write(headersFrame(streamId, literalHeaders(headers), flags));
  }

  /** Closes at once; the peer sees a reset. */
  destroy(): void {
    this.socket.resetAndDestroy();
  }

  private onData(chunk: Buffer): void {
    const skipped = Math.min(this.prefaceBytes, chunk.length);
    this.prefaceBytes -= skipped;
    for (const frame of this.reader.push(chunk.subarray(skipped))) this.onFrame(frame);
    this.wake();
  }

  private onFrame(frame: RawFrame): void {
    const { acknowledges = true, answersPings = true, grantsWindow = true } = this.options;
    const { type, flags, streamId, payload } = frame;
    this.received.push(frame);
    const isAck = (flags & FLAG.ACK) !== 0;
    if (type === FRAME.SETTINGS && !isAck && acknowledges) this.write(rawFrame(FRAME.SETTINGS, FLAG.ACK, 0));
    if (type === FRAME.PING && !isAck && answersPings) this.write(pingFrame(payload, FLAG.ACK));
    if (type === FRAME.DATA && payload.length > 0 && grantsWindow) {
      this.write(windowUpdateFrame(0, payload.length), windowUpdateFrame(streamId, payload.length));
    }
    if (type === FRAME.HEADERS || type === FRAME.CONTINUATION) this.onBlock(frame);
  }

  private onBlock({ type, flags, streamId, payload }: RawFrame): void {
    if (type === FRAME.HEADERS) {
      this.block = { streamId, endStream: (flags & FLAG.END_STREAM) !== 0, parts: [unpadded(flags, payload)] };
    } else this.block?.parts.push(payload);
    if (this.block === undefined || (flags & FLAG.END_HEADERS) === 0) return;
    const { endStream, parts } = this.block;
    this.block = undefined;
    this.heads.push({ streamId, headers: Object.fromEntries(this.decoder.decode(Buffer.concat(parts))), endStream });
  }

  private wake(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }

  /** The last received frames, for test messages. */
  summary(): string {
    const names = Object.entries(FRAME);
    const kinds = this.received.slice(-8).map(({ type, streamId, payload }) => {
      const name = names.find(([, value]) => value === type)?.[0] ?? type;
      return `${name}(${streamId}, ${payload.subarray(0, 8).toString('hex')})`;
    });
    return `came last: ${kinds.join(' ') || 'nothing'}${this.isClosed ? ', closed' : ''}`;
  }
}

function unpadded(flags: number, payload: Buffer): Buffer {
  const padded = (flags & FLAG.PADDED) !== 0;
  const start = (padded ? 1 : 0) + ((flags & FLAG.PRIORITY) !== 0 ? 5 : 0);
  return payload.subarray(start, padded ? payload.length - payload.readUInt8(0) : undefined);
}

export interface RawServer {
  readonly address: string;
  readonly port: number;
  /** All connections so far. */
  readonly connections: readonly RawConnection[];
  close(): Promise<void>;
}

/** Listens, and passes every connection to the script. Only the script sends data. */
export async function startRawServer(
  script: (connection: RawConnection, index: number) => void | Promise<void>,
  options: RawConnectionOptions = {},
): Promise<RawServer> {
  const connections: RawConnection[] = [];
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const connection = new RawConnection(socket, 'server', options);
    connections.push(connection);
    // A script ends with its connection.
    Promise.resolve(script(connection, connections.length - 1)).catch(() => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  return {
    address: `127.0.0.1:${port}`,
    port,
    connections,
    close() {
      for (const { socket } of connections) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { encodeCall, MIB } from '@fnfleet/core';
import type { RunnerMessage } from '@fnfleet/protocol';
import {
  aCall,
  dataFrame,
  ENGAGE_REQUEST,
  errorCodeOf,
  eventually,
  FLAG,
  FRAME,
  fromBalancer,
  H2_ERROR,
  PREFACE,
  pingFrame,
  RawConnection,
  type RawDialOptions,
  ScriptedBalancer,
  settingsFrame,
} from '@fnfleet/testing';
import { type Holdings, RunnerProcess, type RunnerProcessOptions } from './runner-process.js';

/** A loopback address of the hostile peers only, so that limits per address apply to them alone. */
const HOSTILE_ADDRESS = '127.0.0.2';
/** Memory that may remain after a peer has gone: warm caches, and pages that are not returned yet. */
const LEFT_BYTES = 24 * MIB;

/** The messages of an ordinary call, or only its `try`. */
export function call(image: string, model: Parameters<typeof aCall>[0] = {}, whole = true): Buffer {
  const callJson = encodeCall(aCall({ image, memoryMb: 64, idleTimeoutSeconds: 1, ...model }));
  const offered = fromBalancer({ kind: 'try', callJson, slotHash: '', extensions: {} });
  if (!whole) return offered;
  return Buffer.concat([offered, fromBalancer({ kind: 'data', data: Buffer.from('body'), eof: true })]);
}

/**
 * A runner with three kinds of peers: the hostile peer of a row, a bystander whose connection lasts from the first row to the
 * last, and a new peer after each row.
 */
export class HostileBed {
  private bystanderStream = 1;
  private readonly peers: RawConnection[] = [];

  /** How late this process was since the last call of the bystander. */
  private readonly lateness = monitorEventLoopDelay();

  private constructor(
    readonly runner: RunnerProcess,
    private bystander: RawConnection,
    private readonly before: Holdings,
    private readonly keepaliveTimeoutMs: number,
  ) {
    this.lateness.enable();
  }

  static async start(options: RunnerProcessOptions = {}): Promise<HostileBed> {
    const runner = await RunnerProcess.start(options);
    try {
      const bystander = await RawConnection.client(runner.port);
      // One-time allocations of the first calls must not count for a row.
      const { keepaliveTimeoutMs = Number.POSITIVE_INFINITY } = options;
      const warm = new HostileBed(runner, bystander, await runner.holdings(), keepaliveTimeoutMs);
      await warm.servesTheNextCall();
      await warm.serveBystander();
      const bed = new HostileBed(runner, warm.bystander, await runner.holdings(), keepaliveTimeoutMs);
      bed.bystanderStream = warm.bystanderStream;
      warm.lateness.disable();
      return bed;
    } catch (error) {
      await runner.close();
      throw error;
    }
  }

  get port(): number {
    return this.runner.port;
  }

  /** A hostile peer that has said hello. */
  async client(options: Parameters<typeof RawConnection.client>[1] = {}): Promise<RawConnection> {
    return this.keep(await RawConnection.client(this.port, { localAddress: HOSTILE_ADDRESS, ...options }));
  }

  /** A peer that has connected and sent nothing. */
  async dial(options: RawDialOptions = {}): Promise<RawConnection> {
    return this.keep(await RawConnection.dial(this.port, { localAddress: HOSTILE_ADDRESS, ...options }));
  }

  private keep(peer: RawConnection): RawConnection {
    this.peers.push(peer);
    return peer;
  }

  /** Memory the runner holds now beyond what it had before the first row, bytes. */
  async heldBytes(): Promise<number> {
    return (await this.runner.holdings()).memoryBytes - this.before.memoryBytes;
  }

  /** Makes an ordinary call over a new connection, with another implementation of gRPC. */
  async servesTheNextCall(): Promise<void> {
    const lateness = monitorEventLoopDelay();
    lateness.enable();
    try {
      await this.callOfNewcomer();
    } catch (error) {
      if (!this.hasSilencedItsPeers(lateness)) throw error;
      await this.servesTheNextCall();
    } finally {
      lateness.disable();
    }
  }

  /** A machine that let this process wait has silenced its connections: then the runner is right to close them. */
  private hasSilencedItsPeers(lateness: { readonly max: number }): boolean {
    return lateness.max / 1e6 > this.keepaliveTimeoutMs / 2;
  }

  private async callOfNewcomer(): Promise<void> {
    const balancer = new ScriptedBalancer(this.runner.address);
    try {
      let received = await ordinaryCall(balancer);
      // The containers of calls that were given up a moment ago may still take all the room.
      while (isRefusal(received)) received = await ordinaryCall(balancer);
      expect(received.map(({ kind }) => kind)).toEqual(['resultStart', 'data', 'finished']);
      expect(received[2]).toMatchObject({ report: { success: true } });
      expect(await balancer.unary('Status')).toMatchObject({ active: expect.any(Number) });
    } finally {
      balancer.close();
    }
  }

  /** Makes an ordinary call over the connection of the bystander. */
  async serveBystander(): Promise<void> {
    try {
      await this.callOfBystander();
    } catch (error) {
      if (!this.bystander.isClosed || !this.hasSilencedItsPeers(this.lateness)) throw error;
      this.bystander = await RawConnection.client(this.runner.port);
      this.bystanderStream = 1;
      this.lateness.reset();
      await this.serveBystander();
    }
    this.lateness.reset();
  }

  private async callOfBystander(): Promise<void> {
    const { bystander } = this;
    const id = this.bystanderStream;
    this.bystanderStream += 2;
    bystander.sendHeaders(id, ENGAGE_REQUEST);
    bystander.write(dataFrame(id, call('echo'), FLAG.END_STREAM));
    const end = await bystander.head(({ streamId, endStream }) => streamId === id && endStream);
    expect(end.headers['grpc-status']).toBe('0');
    expect(bystander.dataOf(id).includes('body')).toBe(true);
  }

  /** After a row, checks that others are served and that nothing of it is left. */
  async settle(): Promise<void> {
    for (const peer of this.peers.splice(0)) peer.destroy();
    await this.servesTheNextCall();
    await this.serveBystander();
    await eventually(async () => {
      const now = await this.runner.holdings();
      expect(now.errors).toEqual([]);
      expect(now.engagements).toBe(0);
      expect(now.sockets).toBeLessThanOrEqual(this.before.sockets);
      expect(now.timers).toBeLessThanOrEqual(this.before.timers + 1);
      expect(now.memoryBytes - this.before.memoryBytes).toBeLessThan(LEFT_BYTES);
    });
  }

  async close(): Promise<void> {
    this.lateness.disable();
    this.bystander.destroy();
    await this.runner.close();
  }
}

/** What the balancer gets for it. */
async function ordinaryCall(balancer: ScriptedBalancer): Promise<readonly RunnerMessage[]> {
  const engagement = balancer.engage();
  engagement.send({
    kind: 'try',
    callJson: encodeCall(aCall({ image: 'echo', memoryMb: 64, idleTimeoutSeconds: 1 })),
    slotHash: '',
    extensions: {},
  });
  engagement.send({ kind: 'data', data: Buffer.from('ordinary'), eof: true });
  expect((await engagement.status).code).toBe(0);
  return engagement.received;
}

function isRefusal([first]: readonly RunnerMessage[]): boolean {
  return first?.kind === 'finished' && first.report.errorCode === 503;
}

/** The expected reaction of the runner, as its peer sees it. */
export interface Answer {
  readonly name: string;
  /** Resolves when the reaction was seen; rejects after another one. */
  seen(peer: RawConnection): Promise<unknown>;
}

type ErrorName = keyof typeof H2_ERROR;

/** The connection gets a GOAWAY and is closed. */
export function goaway(...errors: readonly ErrorName[]): Answer {
  return {
    name: errors.join(' or '),
    async seen(peer) {
      const isGoaway = ({ type }: { type: number }) => type === FRAME.GOAWAY;
      const frame = await peer.frame(isGoaway);
      expect(errors).toContain(nameOf(errorCodeOf(frame)));
      await peer.closed;
    },
  };
}

/** One stream is reset; the connection survives. */
export function reset(streamId: number, ...errors: readonly ErrorName[]): Answer {
  return {
    name: `stream reset, ${errors.join(' or ')}`,
    async seen(peer) {
      const frame = await peer.frame(({ type, streamId: id }) => type === FRAME.RST_STREAM && id === streamId);
      expect(errors).toContain(nameOf(errorCodeOf(frame)));
      await lives.seen(peer);
    },
  };
}

/** The stream ends with a gRPC status; the connection survives. */
export function status(streamId: number, ...codes: readonly number[]): Answer {
  return {
    name: `gRPC status ${codes.join(' or ')}`,
    async seen(peer) {
      const end = await peer.head((head) => head.streamId === streamId && 'grpc-status' in head.headers);
      expect(codes).toContain(Number(end.headers['grpc-status']));
      await lives.seen(peer);
    },
  };
}

export const closed: Answer = { name: 'closed', seen: (peer) => peer.closed };

let pings = 0;

/** Nothing happens to the connection. */
export const lives: Answer = {
  name: 'nothing',
  async seen(peer) {
    pings += 1;
    const payload = Buffer.alloc(8);
    payload.writeUInt32BE(pings, 4);
    peer.write(pingFrame(payload));
    await peer.frame((frame) => frame.type === FRAME.PING && frame.flags === FLAG.ACK && frame.payload.equals(payload));
  },
};

/** Any of these reactions. */
export function either(name: string, ...answers: readonly Answer[]): Answer {
  return { name, seen: (peer) => Promise.any(answers.map((answer) => answer.seen(peer))) };
}

function nameOf(code: number): string {
  return Object.entries(H2_ERROR).find(([, value]) => value === code)?.[0] ?? String(code);
}

export const HELLO = Buffer.concat([PREFACE, settingsFrame()]);

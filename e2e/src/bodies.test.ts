// takes: 15 s
import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { KIB, MIB } from '@fnfleet/core';
import { Fleet } from './harness/fleet.js';
import { invoke, send } from './harness/invoke.js';
import { growthDuring } from './harness/memory.js';

jest.setTimeout(120_000);

const BODY = randomBytes(6 * MIB);
const LARGER_BYTES = 128 * MIB;
const PAUSE_MS = 2_000;
const MOST_GROWTH = 16 * MIB;
/** Half of the body. Less than that is garbage: V8 lets the buffers of bodies grow to about 50 MiB before it collects them. */
const MOST_GROWTH_OF_LARGER = LARGER_BYTES / 2;
const MEASUREMENTS = 3;
const WARM_UP_CALLS = 12;

describe('large bodies', () => {
  let fleet: Fleet;
  let url: string;

  beforeAll(async () => {
    fleet = await Fleet.start();
    url = await fleet.deployed({ name: 'probe', memory: 512 });
    // Code, heaps and connections have their size afterwards.
    for (let call = 0; call < WARM_UP_CALLS; call += 1) await invoke(url, { knobs: { echo: true }, body: BODY });
  });

  afterAll(async () => {
    expect(await fleet.stop()).toEqual([]);
  });

  it('go through and come back as they were, and are not kept on the way', async () => {
    await expectLittleGrowth(async () => {
      const { body } = await invoke(url, { knobs: { echo: true }, body: BODY });
      expect(body.equals(BODY)).toBe(true);
    });
  });

  it('are not kept for a client that reads slowly either', async () => {
    await expectLittleGrowth(async () => {
      const { body } = await send(url, { knobs: { echo: true }, body: BODY });
      expect((await readSlowly(body)).equals(BODY)).toBe(true);
    });
  });

  it('wait at the function while the client does not read: more of them than all buffers on the way could hold', async () => {
    const answer = send(url, { knobs: { bodyBytes: LARGER_BYTES } });
    let received = 0;
    let chunks: AsyncIterator<Buffer> | undefined;
    // Only while it waits: what comes later leaves garbage, which V8 collects when it likes.
    const grown = await growthOfNodes(async () => {
      chunks = (await answer).body[Symbol.asyncIterator]();
      received += (await chunks.next()).value.length;
      await sleep(PAUSE_MS);
    });
    for (let next = await chunks?.next(); next?.done === false; next = await chunks?.next())
      received += next.value.length;

    expect(received).toBe(LARGER_BYTES);
    expect(Math.max(...grown)).toBeLessThan(MOST_GROWTH_OF_LARGER);
  });

  it('wait at the client while the function reads slowly: less than half of them is ever on the way', async () => {
    let allSentMs = 0;
    const from = performance.now();
    const body = Readable.from(
      pieces(LARGER_BYTES, () => {
        allSentMs = performance.now() - from;
      }),
    );
    const knobs = { slowRead: { bytes: LARGER_BYTES, intervalMs: PAUSE_MS } };
    expect((await invoke(url, { knobs, body })).status).toBe(200);
    // It reads no faster than that; a slow machine only makes it later.
    expect(allSentMs).toBeGreaterThan(PAUSE_MS / 2);
  });

  it('arrive as the function writes them: the first piece is there long before the last is written', async () => {
    const pieces = 5;
    const intervalMs = 700;
    const slowWrite = { bytes: KIB, intervalMs };
    const { body } = await send(url, { knobs: { bodyBytes: pieces * KIB, slowWrite } });

    const arrivals: number[] = [];
    let received = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      arrivals.push(performance.now());
      received += chunk.length;
    }

    expect(received).toBe(pieces * KIB);
    const [first = 0] = arrivals;
    expect((arrivals.at(-1) ?? 0) - first).toBeGreaterThan(2 * intervalMs);
  });

  it('that are empty stay empty', async () => {
    const answer = await invoke(url, { knobs: { bodyBytes: 0 } });
    expect([answer.status, answer.body.length]).toEqual([200, 0]);
  });

  function growthOfNodes(action: () => Promise<unknown>): Promise<number[]> {
    return growthDuring([fleet.pid('lb'), fleet.pid('runner1')], action);
  }

  /**
   * V8 collects garbage when it likes, so some may come on top of what a call holds. That is now and then; what a call
   * holds comes on top every time.
   */
  async function expectLittleGrowth(action: () => Promise<unknown>): Promise<void> {
    let grown: number[] = [];
    for (let measurement = 0; measurement < MEASUREMENTS; measurement += 1) {
      grown = await growthOfNodes(action);
      if (Math.max(...grown) < MOST_GROWTH) return;
    }
    expect(Math.max(...grown)).toBeLessThan(MOST_GROWTH);
  }
});

/** 256 KiB, then a pause. */
async function readSlowly(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const read: Buffer[] = [];
  let untilPause = 256 * KIB;
  for await (const chunk of body) {
    read.push(chunk);
    untilPause -= chunk.length;
    if (untilPause > 0) continue;
    untilPause = 256 * KIB;
    await sleep(50);
  }
  return Buffer.concat(read);
}

function* pieces(bytes: number, onLast: () => void): Generator<Buffer> {
  const piece = Buffer.alloc(64 * KIB);
  for (let made = 0; made < bytes; made += piece.length) yield piece;
  onLast();
}

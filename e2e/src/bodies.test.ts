import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { KIB, MIB } from '@fnfleet/core';
import { Fleet } from './harness/fleet.js';
import { invoke, send } from './harness/invoke.js';
import { growthDuring } from './harness/memory.js';

jest.setTimeout(60_000);

const BODY = randomBytes(6 * MIB);
const MOST_GROWTH = 16 * MIB;
const WARM_UP_CALLS = 8;

describe('large bodies', () => {
  let fleet: Fleet;
  let url: string;

  beforeAll(async () => {
    fleet = await Fleet.start({
      // V8 lets its young generation grow to tens of megabytes before it looks for garbage, whatever is alive. Kept small,
      // so that what is measured is what a call holds.
      settings: { NODE_OPTIONS: '--max-semi-space-size=1' },
    });
    url = await fleet.deployed({ name: 'probe', memory: 256 });
    // Code, heaps and connections have their size afterwards.
    for (let call = 0; call < WARM_UP_CALLS; call += 1) await invoke(url, { knobs: { echo: true }, body: BODY });
  });

  afterAll(async () => {
    expect(await fleet.stop()).toEqual([]);
  });

  it('go through and come back as they were, and are not kept on the way', async () => {
    let returned: Buffer = Buffer.alloc(0);
    const grown = await growthOfNodes(async () => {
      returned = (await invoke(url, { knobs: { echo: true }, body: BODY })).body;
    });

    expect(returned.equals(BODY)).toBe(true);
    expectLittle(grown);
  });

  it('are not kept for a client that reads slowly either', async () => {
    const returned: Buffer[] = [];
    const grown = await growthOfNodes(async () => {
      const { body } = await send(url, { knobs: { echo: true }, body: BODY });
      let untilPause = 256 * KIB;
      for await (const chunk of body as AsyncIterable<Buffer>) {
        returned.push(chunk);
        untilPause -= chunk.length;
        if (untilPause > 0) continue;
        untilPause = 256 * KIB;
        await sleep(50);
      }
    });

    expect(Buffer.concat(returned).equals(BODY)).toBe(true);
    expectLittle(grown);
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
});

function expectLittle([lb = 0, runner = 0]: readonly number[]): void {
  expect(lb).toBeLessThan(MOST_GROWTH);
  expect(runner).toBeLessThan(MOST_GROWTH);
}

import { encodeCall } from '@fnfleet/core';
import { fn } from '@fnfleet/drivers';
import {
  aCall,
  dataFrame,
  ENGAGE_REQUEST,
  fromBalancer,
  headersFrame,
  literalHeaders,
  PREFACE,
  RawConnection,
  settingsFrame,
  windowUpdateFrame,
  within,
} from '@fnfleet/testing';
import fc from 'fast-check';
import { TestRunner } from '../../../../packages/pure-runner/dist/test-kit/test-runner.js';
import { bytes, damaged, inPieces } from '../byte-arbitraries.js';
import { frames } from '../http2-arbitraries.js';
import type { FuzzTarget, OpenTarget } from '../target.js';

const ANSWER_MS = 10_000;
/** How long a peer may have open what it sent; then it leaves. */
const LINGER_MS = 20;

const A_TRY = { kind: 'try', callJson: encodeCall(aCall({ image: 'ok' })), slotHash: '', extensions: {} } as const;
const END = { kind: 'data', data: Buffer.from('{}'), eof: true } as const;

const json = fc.oneof(
  fc.constant(A_TRY.callJson),
  fc.json({ maxDepth: 2 }),
  fc
    .record({ memory: fc.integer(), timeout: fc.integer(), image: fc.string(), headers: fc.object() })
    .map((model) => JSON.stringify(model)),
);

const messages = fc.oneof(
  fc.constant(fromBalancer(A_TRY, END)),
  fc.constant(fromBalancer(A_TRY)),
  fc.constant(fromBalancer(END)),
  json.map((callJson) => fromBalancer({ ...A_TRY, callJson }, END)),
  bytes(80),
);

const HELLO = Buffer.concat([PREFACE, settingsFrame([]), windowUpdateFrame(0, 1_000_000)]);
const A_CALL = Buffer.concat([
  HELLO,
  headersFrame(1, literalHeaders(ENGAGE_REQUEST)),
  dataFrame(1, fromBalancer(A_TRY, END)),
]);

/** Frames that are well formed, but in any order; and bytes that nearly are frames. */
const input = inPieces(
  fc.oneof(
    frames(ENGAGE_REQUEST, messages).map((sent) => Buffer.concat([HELLO, sent])),
    damaged(fc.constant(A_CALL)),
    bytes(200),
  ),
);

/** A balancer, or whoever reaches the port, at a runner. */
export const engageAtRunner: FuzzTarget = {
  name: 'engage-at-runner',
  async open(): Promise<OpenTarget> {
    const fleet = await TestRunner.start({ functions: { ok: fn((_request, response) => response.end('ok')) } });
    const { port } = fleet.runner.address;
    return {
      property: fc.asyncProperty(input, async (pieces) => {
        const peer = await RawConnection.dial(port);
        for (const piece of pieces) {
          peer.write(piece);
          await new Promise((resolve) => setImmediate(resolve));
        }
        await Promise.race([peer.closed, new Promise((resolve) => setTimeout(resolve, LINGER_MS))]);
        peer.destroy();
        const { kinds } = await within(ANSWER_MS, 'an ordinary call', fleet.run({ image: 'ok' }, '{}'));
        if (kinds.at(-1) !== 'finished') throw new Error(`an ordinary call ended with ${kinds}`);
      }),
      async settled() {
        for (let look = 0; fleet.runner.load.active > 0; look += 1) {
          if (look === 100) throw new Error(`${fleet.runner.load.active} engagements are still open`);
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      },
      close: () => fleet.close(),
    };
  },
};

import { encodeCall } from '@fnfleet/core';
import { fn } from '@fnfleet/drivers';
import { decodeRunnerMessage, encodeClientMessage } from '@fnfleet/protocol';
import {
  aCall,
  dataFrame,
  ENGAGE_REQUEST,
  FLAG,
  FRAME,
  fromBalancer,
  grpcMessage,
  headersFrame,
  literalHeaders,
  RawConnection,
  resetFrame,
  within,
} from '@fnfleet/testing';
import fc from 'fast-check';
import { TestRunner } from '../../../../packages/pure-runner/dist/test-kit/test-runner.js';
import { bytes, inPieces } from '../byte-arbitraries.js';
import type { FuzzTarget, OpenTarget } from '../target.js';

const ANSWER_MS = 10_000;
const MAX_FRAME_BYTES = 16_384;

const offerOf = (image: string) =>
  ({ kind: 'try', callJson: encodeCall(aCall({ image, memoryMb: 64 })), slotHash: '', extensions: {} }) as const;

/** A model some of whose fields are anything. */
const oddModel = fc
  .record(
    { timeout: fc.anything(), config: fc.anything(), headers: fc.anything(), type: fc.anything() },
    { requiredKeys: [] },
  )
  .map((odd) =>
    JSON.stringify({ ...JSON.parse(offerOf('echo').callJson), ...odd }, (_, value) =>
      typeof value === 'bigint' ? 0 : value,
    ),
  );

const text = fc.string({ maxLength: 20, unit: 'binary' });
const data = fc.record({
  kind: fc.constant('data' as const),
  data: fc.oneof(
    bytes(50),
    fc.nat(12_000).map((length) => Buffer.alloc(length, 'x')),
  ),
  eof: fc.boolean(),
});
const message = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('echo', 'echo', 'nobody').map((image) => fromBalancer(offerOf(image))) },
  {
    weight: 3,
    arbitrary: fc.constant(fromBalancer(offerOf('echo'), { kind: 'data', data: Buffer.from('x'), eof: true })),
  },
  { weight: 6, arbitrary: data.map((one) => fromBalancer(one)) },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.oneof(oddModel, text), text, fc.dictionary(text, text, { maxKeys: 2 }))
      .map(([callJson, slotHash, extensions]) =>
        grpcMessage(encodeClientMessage({ kind: 'try', callJson, slotHash, extensions })),
      ),
  },
  { weight: 1, arbitrary: bytes(30).map((noise) => grpcMessage(noise)) },
  { weight: 1, arbitrary: bytes(12) },
);

const input = fc.record({
  pieces: inPieces(fc.array(message, { maxLength: 8 }).map((all) => Buffer.concat(all))),
  ends: fc.constantFrom('half-close', 'half-close', 'reset', 'close'),
});

/** Messages in any order, some of which are none, on a stream that is as HTTP/2 wants it. */
export const messagesAtRunner: FuzzTarget = {
  name: 'messages-at-runner',
  async open(): Promise<OpenTarget> {
    const echo = fn((request, response) => void request.pipe(response));
    const fleet = await TestRunner.start({ functions: { echo }, memoryMb: 4096 });
    const { port } = fleet.runner.address;
    return {
      property: fc.asyncProperty(input, async ({ pieces, ends }) => {
        const peer = await RawConnection.client(port);
        peer.write(headersFrame(1, literalHeaders(ENGAGE_REQUEST)));
        for (const piece of pieces) {
          for (let at = 0; at < piece.length; at += MAX_FRAME_BYTES)
            peer.write(dataFrame(1, piece.subarray(at, at + MAX_FRAME_BYTES)));
          await new Promise((resolve) => setImmediate(resolve));
        }
        if (ends === 'reset') peer.write(resetFrame(1));
        if (ends === 'half-close') {
          peer.write(dataFrame(1, Buffer.alloc(0), FLAG.END_STREAM));
          await within(ANSWER_MS, `the end of the stream (${peer.summary()})`, endOf(peer));
        }
        checkAnswer(peer);
        peer.destroy();
        const { kinds } = await within(ANSWER_MS, 'an ordinary call', fleet.run({ image: 'echo', memoryMb: 64 }, 'x'));
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

/** A stream that its balancer has ended comes to its end whatever was said on it: with trailers, or with a reset. */
async function endOf(peer: RawConnection): Promise<void> {
  await peer.until(() => {
    const trailers = peer.heads.some(({ streamId, endStream }) => streamId === 1 && endStream);
    const reset = peer.received.some(({ type, streamId }) => type === FRAME.RST_STREAM && streamId === 1);
    return trailers || reset ? true : undefined;
  }, 'end of the stream');
}

/** At most one head and one report, and nothing after the report. */
function checkAnswer(peer: RawConnection): void {
  const kinds: string[] = [];
  const answer = peer.dataOf(1);
  for (let at = 0; at + 5 <= answer.length; ) {
    const end = at + 5 + answer.readUInt32BE(at + 1);
    if (end > answer.length) break;
    kinds.push(decodeRunnerMessage(answer.subarray(at + 5, end)).kind);
    at = end;
  }
  const finished = kinds.indexOf('finished');
  if (finished >= 0 && finished < kinds.length - 1) throw new Error(`something after the report: ${kinds}`);
  if (kinds.filter((kind) => kind === 'resultStart').length > 1) throw new Error(`two heads: ${kinds}`);
  if (kinds.includes('unknown')) throw new Error(`a message that nobody knows: ${kinds}`);
}

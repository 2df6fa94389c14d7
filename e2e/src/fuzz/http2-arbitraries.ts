import type { RunnerMessage } from '@fnfleet/protocol';
import { NOTHING_REPORTED } from '@fnfleet/protocol';
import {
  dataFrame,
  FLAG,
  FRAME,
  goawayFrame,
  type HeaderLines,
  headersFrame,
  literalHeaders,
  pingFrame,
  rawFrame,
  resetFrame,
  settingsFrame,
  uint32,
  windowUpdateFrame,
} from '@fnfleet/testing';
import fc from 'fast-check';
import { bytes } from './byte-arbitraries.js';

/** Mostly those that are in use. */
const streamId = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(1, 3, 5) }, fc.constantFrom(0, 2, 7, 0x7fffffff));
const flags = fc.oneof(
  fc.constantFrom(0, FLAG.END_STREAM, FLAG.END_HEADERS, FLAG.END_STREAM | FLAG.END_HEADERS),
  fc.nat(255),
);
const word = fc.oneof(fc.constantFrom(0, 1, 65_535, 2 ** 31 - 1, 2 ** 32 - 1), fc.nat(2 ** 31 - 1));

const oddHeader = fc.tuple(
  fc.constantFrom('grpc-timeout', 'fn_request_id', 'http2-settings', 'x', ':path', 'te', 'X-Upper', 'grpc-status', ''),
  fc.oneof(fc.constantFrom('', '1S', '0', '99999999H', 'started', '\r\n', '\0'), fc.string({ maxLength: 40 })),
);

const short = (text: Buffer, coded = 0) => Buffer.concat([Buffer.from([coded | text.length]), text]);

/** HPACK beyond plain literals: references, entries for the table, changes of its size, Huffman coding that may be none. */
const hpackBlock = fc
  .array(
    fc.oneof(
      fc.integer({ min: 0x80, max: 0xff }).map((index) => Buffer.from([index])),
      fc.integer({ min: 0x20, max: 0x3f }).map((size) => Buffer.from([size])),
      fc
        .tuple(fc.constantFrom(0x00, 0x10, 0x40), bytes(12), bytes(40))
        .map(([kind, name, value]) => Buffer.concat([Buffer.from([kind]), short(name), short(value)])),
      fc
        .tuple(fc.constantFrom(0x00, 0x40), bytes(8), bytes(8))
        .map(([kind, name, value]) => Buffer.concat([Buffer.from([kind]), short(name, 0x80), short(value, 0x80)])),
      fc
        .tuple(fc.integer({ min: 0x41, max: 0x7f }), bytes(20))
        .map(([name, value]) => Buffer.concat([Buffer.from([name]), short(value)])),
      bytes(6),
    ),
    { maxLength: 8 },
  )
  .map((parts) => Buffer.concat(parts));

/** Whatever a peer may send, beginning with what it should. @param head what opens or answers a stream */
export function frames(head: HeaderLines, messages: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const literals = fc.array(oddHeader, { maxLength: 2 }).map((odd) => literalHeaders([...head, ...odd] as HeaderLines));
  const heads = fc.oneof(
    { weight: 3, arbitrary: literals },
    { weight: 1, arbitrary: hpackBlock.map((block) => Buffer.concat([literalHeaders(head), block])) },
    { weight: 1, arbitrary: hpackBlock },
  );
  const frame = fc.oneof(
    {
      weight: 4,
      arbitrary: fc.tuple(streamId, heads, flags).map(([id, block, bits]) => headersFrame(id, block, bits)),
    },
    { weight: 4, arbitrary: fc.tuple(streamId, heads).map(([id, block]) => headersFrame(id, block)) },
    { weight: 8, arbitrary: fc.tuple(streamId, messages, flags).map(([id, data, bits]) => dataFrame(id, data, bits)) },
    fc.tuple(streamId, bytes(64), flags).map(([id, data, bits]) => dataFrame(id, data, bits)),
    fc.tuple(streamId, word).map(([id, code]) => resetFrame(id, code)),
    fc.tuple(streamId, word).map(([id, increment]) => windowUpdateFrame(id, increment)),
    fc.array(fc.tuple(fc.nat(8), word), { maxLength: 4 }).map((entries) => settingsFrame(entries)),
    fc.tuple(bytes(9), flags).map(([payload, bits]) => pingFrame(payload, bits)),
    fc.tuple(streamId, bytes(40), flags).map(([id, block, bits]) => rawFrame(FRAME.CONTINUATION, bits, id, block)),
    fc.tuple(streamId, bytes(6)).map(([id, payload]) => rawFrame(FRAME.PRIORITY, 0, id, payload)),
    fc.tuple(streamId, word).map(([id, code]) => goawayFrame(id, code)),
    fc
      .tuple(fc.nat(255), flags, streamId, bytes(64))
      .map(([type, bits, id, payload]) => rawFrame(type, bits, id, payload)),
    fc
      .tuple(streamId, word)
      .map(([id, promised]) => rawFrame(FRAME.PUSH_PROMISE, FLAG.END_HEADERS, id, uint32(promised))),
  );
  return fc.array(frame, { maxLength: 12 }).map((all) => Buffer.concat(all));
}

const report = fc.record({
  success: fc.boolean(),
  errorCode: fc.oneof(fc.constantFrom(0, 1, 99, 200, 400, 499, 502, 503, 504, 599, 600, -1), fc.integer()),
  errorText: fc.string({ maxLength: 30 }),
  errorUser: fc.boolean(),
});

const headerLines = fc.array(
  fc.tuple(
    fc.oneof(
      fc.constantFrom('Content-Type', 'Fn-Http-Status', 'Fn-Http-H-X', 'Content-Length', 'Connection', 'x\r\ny', ''),
      fc.string({ maxLength: 12 }),
    ),
    fc.oneof(
      fc.constantFrom('text/plain', '418', '0', '1000', '\r\nSet-Cookie: a', '\0'),
      fc.string({ maxLength: 12 }),
    ),
  ),
  { maxLength: 4 },
);

const status = fc.oneof(fc.constantFrom(0, 100, 200, 204, 304, 502, 999, 1000, -1), fc.integer());

/** A message of a runner. */
export const runnerMessage: fc.Arbitrary<RunnerMessage> = fc.oneof(
  fc.record({ kind: fc.constant('resultStart' as const), status, headers: headerLines }),
  fc.record({ kind: fc.constant('data' as const), data: bytes(64), eof: fc.boolean() }),
  report.map((given) => ({ kind: 'finished' as const, report: { ...NOTHING_REPORTED, ...given } })),
  fc.constant({ kind: 'started' as const }),
  fc.constant({ kind: 'unknown' as const }),
);

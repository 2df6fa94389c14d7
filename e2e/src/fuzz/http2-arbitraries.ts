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

/** Whatever a peer may send, beginning with what it should. @param head what opens or answers a stream */
export function frames(head: HeaderLines, messages: fc.Arbitrary<Buffer>): fc.Arbitrary<Buffer> {
  const heads = fc.array(oddHeader, { maxLength: 2 }).map((odd) => literalHeaders([...head, ...odd] as HeaderLines));
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

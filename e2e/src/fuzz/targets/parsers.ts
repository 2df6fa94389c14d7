import { CallDecodeError, decodeCall, FnError } from '@fnfleet/core';
import {
  decodeClientMessage,
  decodeOrca,
  decodeRunnerMessage,
  decodeRunnerStatus,
  encodeClientMessage,
  encodeRunnerMessage,
} from '@fnfleet/protocol';
import { ENGAGE_REQUEST, literalHeaders } from '@fnfleet/testing';
import fc from 'fast-check';
import { HpackDecoder, HpackError } from '../../../../packages/protocol/dist/transport/hpack/decoder.js';
import { bytes, damaged } from '../byte-arbitraries.js';
import { runnerMessage } from '../http2-arbitraries.js';
import type { FuzzTarget } from '../target.js';

const MAX_LIST_BYTES = 32 * 1024;

const A_TRY = encodeClientMessage({ kind: 'try', callJson: '{"id":"1"}', slotHash: 'ab', extensions: { a: 'b' } });

/** What of a peer is read by hand. Damaged input is an error of the declared kind, or is understood; nothing else. */
const property = fc.property(
  damaged(fc.constant(literalHeaders(ENGAGE_REQUEST))),
  damaged(fc.constant(A_TRY)),
  damaged(runnerMessage.map((message) => encodeRunnerMessage(message))),
  fc.oneof(
    fc.json(),
    fc.string(),
    fc.object().map((value) => JSON.stringify(value)),
  ),
  bytes(60),
  (block, fromBalancer, fromRunner, json, any) => {
    const hpack = new HpackDecoder(MAX_LIST_BYTES);
    expecting([HpackError], () => hpack.decode(block, 0, block.length));
    expecting([HpackError], () => new HpackDecoder(MAX_LIST_BYTES).decode(any, 0, any.length));
    expecting([Error], () => decodeClientMessage(fromBalancer));
    expecting([Error], () => decodeRunnerMessage(fromRunner));
    expecting([Error], () => decodeRunnerStatus(any));
    decodeOrca(any.toString('base64'), 'x');
    decodeOrca(any.toString('latin1'), 'x');
    expecting([CallDecodeError, FnError], () => decodeCall(json));
  },
);

// biome-ignore lint/suspicious/noExplicitAny: constructors of errors take what they take
function expecting(kinds: readonly (new (...args: any[]) => Error)[], read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (error instanceof TypeError || !kinds.some((kind) => error instanceof kind)) throw error;
  }
}

export const parsers: FuzzTarget = {
  name: 'parsers',
  open: async () => ({
    property: property as unknown as fc.IAsyncProperty<unknown>,
    settled: async () => undefined,
    close: async () => undefined,
  }),
};

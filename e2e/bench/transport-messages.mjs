import * as protocol from '@fnfleet/protocol';

/**
 * The messages of one call, the same over each transport.
 *
 * @typedef {import('@fnfleet/protocol').ClientMessage} ClientMessage
 * @typedef {import('@fnfleet/protocol').RunnerMessage} RunnerMessage
 *
 * @typedef {object} Transport
 * @property {(body: Buffer) => Promise<number>} listen starts a runner that answers each call with this body; resolves with its port
 * @property {(port: number, body: Buffer) => () => Promise<Outcome>} connect a balancer; the function makes one call
 *
 * @typedef {{ code: number | undefined, bytes: number }} Outcome the gRPC status, and the bytes of the response
 */

/** @type {ClientMessage} */
const TRY = {
  kind: 'try',
  callJson: JSON.stringify({ id: '01', fn_id: '02', app_id: '03', image: 'x', config: { A: 'b'.repeat(400) } }),
  slotHash: '',
  extensions: {},
};
/** @type {RunnerMessage} */
const HEAD = { kind: 'resultStart', status: 200, headers: [['Content-Type', 'text/plain']] };
/** @type {RunnerMessage} */
const FINISHED = {
  kind: 'finished',
  report: { ...protocol.NOTHING_REPORTED, success: true, callId: '01', executionNs: 1e6 },
};
/** A load report in the trailers has about this length. */
export const LOAD_REPORT = 'A'.repeat(200);

/**
 * What a balancer sends.
 * @param {{ send(message: ClientMessage): unknown, halfClose(): unknown }} stream
 * @param {Buffer} body
 */
export function sendCall(stream, body) {
  stream.send(TRY);
  for (const data of framesOf(body)) stream.send({ kind: 'data', data, eof: false });
  stream.send({ kind: 'data', data: Buffer.alloc(0), eof: true });
  stream.halfClose();
}

/**
 * What a runner sends when it has the whole request.
 * @param {{ send(message: RunnerMessage): unknown, end(): unknown }} stream
 * @param {Buffer} body
 */
export function sendAnswer(stream, body) {
  stream.send({ kind: 'started' });
  stream.send(HEAD);
  for (const data of framesOf(body)) stream.send({ kind: 'data', data, eof: false });
  stream.send(FINISHED);
  stream.end();
}

/** @param {Buffer} body */
function framesOf(body) {
  const frames = [];
  for (let at = 0; at < body.length; at += protocol.MAX_FRAME_BYTES)
    frames.push(body.subarray(at, at + protocol.MAX_FRAME_BYTES));
  return frames;
}

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

/** Answers as the knobs say. Without any: 200 and what the probe knows about itself, as JSON. */
export async function answer(request, response, knobs, { about, body }) {
  const { socket } = request;
  const payload = payloadOf(knobs, about, body);
  if (knobs.garbage) return socket.end('this is not HTTP\r\n\r\n');
  if (knobs.closeDelimited) return socket.end(raw(knobs, payload));
  if (knobs.truncate) return socket.end(raw(knobs, payload, payload.length + knobs.truncate));
  if (knobs.hangUp) return socket.destroy();

  response.writeHead(knobs.status ?? 200, headersOf(knobs));
  if (!knobs.slowWrite) return response.end(payload);
  const { bytes, intervalMs } = knobs.slowWrite;
  for (let at = 0; at < payload.length && !response.destroyed; at += bytes) {
    if (!response.write(payload.subarray(at, at + bytes)))
      await Promise.race([once(response, 'drain'), closed(response)]);
    await sleep(intervalMs);
  }
  response.end();
}

/** Answers before a byte of the request was read, and leaves the rest of it unread. */
export function answerEarly(request, response, knobs) {
  request.pause();
  response.writeHead(knobs.status ?? 200, headersOf(knobs));
  response.end(payloadOf(knobs, { early: true }, Buffer.alloc(0)));
}

function payloadOf(knobs, about, body) {
  if (knobs.echo) return body;
  if (knobs.bodyBytes !== undefined) return Buffer.alloc(knobs.bodyBytes, 'x');
  if (knobs.body !== undefined) return Buffer.from(knobs.body);
  return Buffer.from(`${JSON.stringify(about)}\n`);
}

function headersOf({ headers = {}, headerBytes }) {
  const large = headerBytes ? { 'X-Probe-Large': 'h'.repeat(headerBytes) } : {};
  return { 'Content-Type': 'application/json', ...large, ...headers };
}

/** An answer written by hand; without a length it lasts until the connection closes. */
function raw(knobs, payload, announced) {
  const length = announced === undefined ? [] : [`Content-Length: ${announced}`];
  const fields = Object.entries(headersOf(knobs)).flatMap(([name, value]) =>
    [value].flat().map((v) => `${name}: ${v}`),
  );
  const head = [`HTTP/1.1 ${knobs.status ?? 200} Answer`, ...fields, ...length].join('\r\n');
  return Buffer.concat([Buffer.from(`${head}\r\n\r\n`), payload]);
}

function closed(response) {
  return new Promise((resolve) => response.once('close', resolve));
}

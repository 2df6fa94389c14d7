/**
 * A function that does nothing: answers every chunk that arrives on a socket with the same response.
 *
 *   node answer.mjs <socket path> [bytes of the body]
 */
import { createServer } from 'node:net';

const body = 'x'.repeat(Number(process.argv[3] ?? 5));
const answer = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nFn-Fdk-Version: bench/1\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
);

createServer((socket) => socket.on('error', () => undefined).on('data', () => socket.write(answer))).listen(
  process.argv[2],
  () => process.send?.('listening'),
);

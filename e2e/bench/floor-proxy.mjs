/**
 * The floor: the cost of one hop through Node. Passes every request to the function's socket and its response back, without
 * lookup, placement or limits. Of several sockets, each has one request at a time: the function can do no more than that. A request
 * that comes while all of them are in use gets none: start as many as there are clients.
 *
 *   node floor-proxy.mjs <socket path> ...        sends its port to its parent
 */
import http from 'node:http';
import { portOf } from './one-call.mjs';

const [only, ...others] = process.argv.slice(2);
const free = others.length > 0 ? [only, ...others] : undefined;
const agent = new http.Agent({ keepAlive: true });

const server = http.createServer((request, response) => {
  const socketPath = free === undefined ? only : free.pop();
  if (socketPath === undefined) {
    response.writeHead(503).end();
    return;
  }
  const onward = http.request(
    { socketPath, agent, method: 'POST', path: '/call', headers: request.headers },
    (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      // Without back pressure: the client reads only when it has sent all, and the function echoes from the first byte on.
      answer.on('data', (chunk) => response.write(chunk));
      answer.on('end', () => response.end());
    },
  );
  onward.on('error', () => response.destroy());
  if (free !== undefined) onward.once('close', () => free.push(socketPath));
  request.pipe(onward);
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: portOf(server) }));
process.on('disconnect', () => process.exit(0));

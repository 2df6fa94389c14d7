/**
 * The floor: the cost of one hop through Node. Passes every request to the function's socket and its response back, without
 * lookup, placement or limits.
 *
 *   node floor-proxy.mjs <socket path>        prints its port
 */
import http from 'node:http';
import { portOf } from './one-call.mjs';

const socketPath = process.argv[2];
const agent = new http.Agent({ keepAlive: true });

const server = http.createServer((request, response) => {
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
  request.pipe(onward);
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: portOf(server) }));
process.on('disconnect', () => process.exit(0));

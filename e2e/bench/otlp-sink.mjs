/**
 * A collector that accepts everything and counts the requests. Sends its port to the parent process, and the count when asked.
 */
import http from 'node:http';
import { portOf } from './one-call.mjs';

let requests = 0;
const server = http.createServer((request, response) => {
  requests += 1;
  request.resume().once('end', () => response.writeHead(200, { 'Content-Type': 'application/x-protobuf' }).end());
});
server.listen(0, '127.0.0.1', () => process.send?.({ port: portOf(server) }));
process.on('message', () => process.send?.({ requests }));
process.on('disconnect', () => process.exit(0));

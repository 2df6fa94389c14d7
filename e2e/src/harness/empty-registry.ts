import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** An image registry on this machine that has no image. Docker takes one on the loopback address without TLS. */
export interface EmptyRegistry {
  /** As in the name of an image: `127.0.0.1:port`. */
  readonly host: string;
  close(): Promise<void>;
}

export async function startEmptyRegistry(): Promise<EmptyRegistry> {
  const server = createServer((req, res) => {
    const known = req.url === '/v2/';
    const error = { code: 'NAME_UNKNOWN', message: 'repository name not known to registry', detail: 'none' };
    const body = JSON.stringify(known ? {} : { errors: [error] });
    res.writeHead(known ? 200 : 404, {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(body),
      'Docker-Distribution-Api-Version': 'registry/2.0',
    });
    res.end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

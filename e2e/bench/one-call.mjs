import http from 'node:http';

const agent = new http.Agent({ keepAlive: true });

/**
 * Makes one call over a keep-alive connection.
 * @param {string} url
 * @param {{ socketPath?: string }} [over]
 * @returns {Promise<number>} milliseconds until the end of the response
 */
export function callOnce(url, { socketPath } = {}) {
  const { promise, resolve, reject } = Promise.withResolvers();
  const from = performance.now();
  const target = socketPath ? { socketPath, path: '/call' } : {};
  const request = http.request(url, { method: 'POST', agent, ...target }, (response) => {
    response.resume();
    response.once('end', () => {
      if (response.statusCode === 200) resolve(performance.now() - from);
      else reject(new Error(`status ${response.statusCode} from ${url}`));
    });
  });
  request.once('error', reject);
  request.end('{}');
  return promise;
}

/** @param {number} milliseconds */
export const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * The port of a server that listens on one.
 * @param {import('node:net').Server} server
 */
export function portOf(server) {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server listens on no port');
  return address.port;
}

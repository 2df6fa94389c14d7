import { request } from 'node:http';
import { text } from 'node:stream/consumers';

export interface FunctionAnswer {
  readonly status: number;
  readonly body: string;
}

/** Sends one request to a function, with the knobs of the probe, over its own connection. */
export async function callFunction(
  socketPath: string,
  knobs: object = {},
  signal?: AbortSignal,
): Promise<FunctionAnswer> {
  for (;;) {
    try {
      return await callOnce(socketPath, knobs, signal);
    } catch (error) {
      // A function that binds its socket under the final name makes it visible an instant before it listens.
      if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

function callOnce(socketPath: string, knobs: object, signal?: AbortSignal): Promise<FunctionAnswer> {
  return new Promise((resolve, reject) => {
    const call = request({
      socketPath,
      path: '/call',
      method: 'POST',
      agent: false,
      headers: { probe: JSON.stringify(knobs), 'content-length': 0 },
      ...(signal ? { signal } : {}),
    });
    call.on('error', reject);
    call.on('response', (response) => {
      text(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    call.end();
  });
}

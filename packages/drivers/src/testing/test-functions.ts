import { request } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pathToFileURL } from 'node:url';

const ROOT = join(__dirname, '..', '..', '..', '..');

/** The directory of the test functions. */
export const FUNCTIONS_DIR = join(ROOT, 'e2e', 'functions');

/** Loads a script of the repository: a plain module outside of the compiled packages. */
export async function script<T>(path: string): Promise<T> {
  return import(pathToFileURL(join(ROOT, path)).href) as Promise<T>;
}

/** Builds the image of a function if it is missing. Returns its name. */
export async function functionImage(name: 'probe' | 'micro' | 'hello-node'): Promise<string> {
  const { ensureFunctionImage } = await script<{ ensureFunctionImage(name: string): Promise<string> }>(
    'scripts/images/catalogue.mjs',
  );
  return ensureFunctionImage(name);
}

interface FunctionAnswer {
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

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { testTool } from '../servers/test-program.js';

const FIXTURES = join(__dirname, '..', '..', 'fixtures');

/** Scripts for `/usr/bin/python3` with the module h2; each documents its usage at the top. */
export const H2_CLIENT = join(FIXTURES, 'h2_client.py');
export const H2_SERVER = join(FIXTURES, 'h2_server.py');

/** Runs a test program to its end. @returns its output @throws if it fails */
export async function runTool(
  name: Parameters<typeof testTool>[0],
  args: readonly string[],
  input: Buffer = Buffer.alloc(0),
): Promise<Buffer> {
  const program = await testTool(name);
  return new Promise((resolve, reject) => {
    const options = { encoding: 'buffer' as const, timeout: 60_000, maxBuffer: 64 * 1024 * 1024 };
    const child = execFile(program, args, options, (error, stdout, stderr) =>
      error ? reject(new Error(`${name} failed: ${error.message}\n${stderr}\n${stdout}`)) : resolve(stdout),
    );
    child.stdin?.on('error', () => undefined); // its end says more
    child.stdin?.end(input);
  });
}

import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { invokeUrl } from '../deploy-function.js';
import { findFunction } from '../find-function.js';
import { apiOption } from './options.js';

export function invokeCommand(): Command {
  return new Command('invoke')
    .description('Calls a function with what comes on standard input (or --data) and prints its answer.')
    .argument('<app>', 'name of its app')
    .argument('<function>', 'its name')
    .option('--data <text>', 'body of the call, instead of standard input')
    .option('--content-type <type>', 'type of the body', 'application/json')
    .addOption(apiOption())
    .action(async (appName: string, name: string, options: { data?: string; contentType: string; api: string }) => {
      const access = fleetAccess(process.env);
      const fn = await findFunction(new ApiClient(options.api, access.fetch), appName, name);
      const body = options.data ?? (process.stdin.isTTY ? '' : await readStdin());
      const response = await access.call(invokeUrl(fn), {
        method: 'POST',
        headers: { 'content-type': options.contentType },
        body,
      });
      process.stdout.write(Buffer.from(await response.arrayBuffer()));
      if (!response.ok)
        throw new Error(`the call failed with status ${response.status} (call ${response.headers.get('fn-call-id')})`);
    });
}

async function readStdin(): Promise<Buffer<ArrayBuffer>> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part);
  return Buffer.concat(parts);
}

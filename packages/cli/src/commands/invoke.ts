import { Command } from 'commander';
import { ApiClient } from '../api-client.js';
import { invokeUrl } from '../deploy-function.js';
import { apiOption } from './options.js';

export function invokeCommand(): Command {
  return new Command('invoke')
    .description('Calls a function with what comes on standard input (or --data) and prints its answer.')
    .argument('<app>')
    .argument('<function>')
    .option('--data <text>', 'body of the call, instead of standard input')
    .option('--content-type <type>', 'type of the body', 'application/json')
    .addOption(apiOption())
    .action(async (appName: string, name: string, options: { data?: string; contentType: string; api: string }) => {
      const api = new ApiClient(options.api);
      const app = await api.findApp(appName);
      if (app === undefined) throw new Error(`there is no app ${appName}`);
      const fn = await api.findFn(app.id, name);
      if (fn === undefined) throw new Error(`app ${appName} has no function ${name}`);
      const body = options.data ?? (process.stdin.isTTY ? '' : await readStdin());
      const response = await fetch(invokeUrl(fn), {
        method: 'POST',
        headers: { 'content-type': options.contentType },
        body,
      });
      process.stdout.write(Buffer.from(await response.arrayBuffer()));
      if (!response.ok)
        throw new Error(`the call failed with status ${response.status} (call ${response.headers.get('fn-call-id')})`);
    });
}

async function readStdin(): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of process.stdin) parts.push(part);
  return Buffer.concat(parts);
}

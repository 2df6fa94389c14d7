import { Command, Option } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient, findCall, findFunction } from '../api-client.js';
import { CALL_STATUSES, callInFull, callTable } from '../manage/format-call.js';
import { FunctionNames } from '../operate/function-names.js';
import { remark, say } from '../terminal/output.js';
import { apiOption, jsonOption, wholeNumber } from './options.js';

interface ListOptions {
  readonly status?: string;
  readonly limit: number;
  readonly api: string;
  readonly json: boolean;
}

interface CallOptions {
  readonly api: string;
  readonly json: boolean;
}

/** `fnfleet calls` */
export function callsCommand(): Command {
  return new Command('calls')
    .description('Lists the asynchronous calls of a function, newest first.')
    .argument('<app>', 'name of its app')
    .argument('<function>', 'its name')
    .addOption(
      new Option('--status <status>', 'only calls with this status; error: dead letters').choices(CALL_STATUSES),
    )
    .addOption(limitOption())
    .addOption(jsonOption())
    .addOption(apiOption())
    .action(async (app: string, name: string, { status, limit, api: url, json }: ListOptions) => {
      const api = apiAt(url);
      const calls = await api.listCalls((await findFunction(api, app, name)).id, status, limit);
      say(json ? [JSON.stringify(calls)] : callTable(calls));
    });
}

/** `fnfleet call` */
export function callCommand(): Command {
  return new Command('call')
    .description('Shows an asynchronous call: its status, its attempts, and its result.')
    .argument('<call-id>', 'the Fn-Call-Id of the response that accepted it')
    .option('--log', 'show what the function has printed instead, in the last attempt that reported it', false)
    .addOption(jsonOption())
    .addOption(apiOption())
    .action((id: string, { log, ...options }: CallOptions & { readonly log: boolean }) =>
      log ? showLog(id, options) : showCall(id, options),
    );
}

/** `fnfleet cancel` */
export function cancelCommand(): Command {
  return new Command('cancel')
    .description(
      'Cancels an asynchronous call that has not ended. One that runs may still end by itself, but is not run again.',
    )
    .argument('<call-id>', 'the Fn-Call-Id of the response that accepted it')
    .addOption(jsonOption())
    .addOption(apiOption())
    .action(async (id: string, { api: url, json }: CallOptions) => {
      const api = apiAt(url);
      await api.cancelCall(await findCall(api, id));
      say(json ? [JSON.stringify({ cancelled: id })] : [`cancelled call ${id}`]);
    });
}

/** `fnfleet callback-keys` */
export function callbackKeysCommand(): Command {
  return new Command('callback-keys')
    .description('Prints the keys with which receivers verify the callbacks of a function, the newest first.')
    .argument('<app>', 'name of its app')
    .argument('<function>', 'its name')
    .addOption(jsonOption())
    .addOption(apiOption())
    .action(async (app: string, name: string, { api: url, json }: CallOptions) => {
      const api = apiAt(url);
      const keys = await api.callbackKeys(await findFunction(api, app, name));
      if (keys.length === 0) throw new Error('FN_CALLBACK_SECRET of the API nodes is not set: there are no keys');
      say(json ? [JSON.stringify({ keys })] : [...keys]);
    });
}

/** Shows one call, for `call` and `dead show`. */
export async function showCall(id: string, { api: url, json }: CallOptions): Promise<void> {
  const api = apiAt(url);
  const call = await findCall(api, id);
  if (json) return say([JSON.stringify(call)]);
  say(callInFull(call, (await new FunctionNames(api).of([call.fn_id])).get(call.fn_id) ?? call.fn_id));
}

async function showLog(id: string, { api: url, json }: CallOptions): Promise<void> {
  const api = apiAt(url);
  const answer = await api.callLog(await findCall(api, id));
  if (json) return say([JSON.stringify(answer)]);
  if (answer.log === '') return remark('it has printed nothing so far, or its runner keeps no logs');
  say(answer.log.replace(/\n$/, '').split('\n'));
}

export function limitOption(): Option {
  return new Option('--limit <n>', 'maximum number of calls to show').argParser(wholeNumber(1, 10_000)).default(50);
}

export function apiAt(url: string): ApiClient {
  return new ApiClient(url, fleetAccess(process.env).fetch);
}

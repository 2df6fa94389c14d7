import { Command } from 'commander';
import { type ApiClient, type CallLine, type CallRef, findCall, findFunction } from '../api-client.js';
import { callTable, inWords } from '../manage/format-call.js';
import { FunctionNames } from '../operate/function-names.js';
import { say } from '../terminal/output.js';
import { apiAt, limitOption, showCall } from './calls.js';
import { apiOption, jsonOption } from './options.js';

interface DeadOptions {
  readonly function?: string;
  readonly app?: string;
  readonly api: string;
  readonly json: boolean;
}

type Action = 'redrive' | 'purge';

/** The status of a dead letter in the words of the API. */
const DEAD = 'error';
const DONE: Readonly<Record<Action, string>> = { redrive: 'queued again', purge: 'removed' };

/** `fnfleet dead` */
export function deadCommand(): Command {
  const list = withFunction(new Command('list').description('Lists dead letters, newest first.'))
    .addOption(limitOption())
    .action(listDead);
  const show = new Command('show')
    .description('Shows a dead letter: why it is one, its attempts, and the request of its caller.')
    .argument('<call-id>', 'its id, as `fnfleet dead list` shows it')
    .addOption(jsonOption())
    .addOption(apiOption())
    .action(showCall);
  return new Command('dead')
    .description(
      'Shows dead letters, the asynchronous calls that have failed for good; runs them again, or removes them.',
    )
    .addCommand(list)
    .addCommand(show)
    .addCommand(changeCommand('redrive', 'Runs dead letters again, as if they had not failed.'))
    .addCommand(changeCommand('purge', 'Removes dead letters.'));
}

function changeCommand(action: Action, description: string): Command {
  const command = new Command(action)
    .description(description)
    .argument('[call-id...]', 'ids, as `fnfleet dead list` shows them; without any, all of --function');
  return withFunction(command).action((ids: readonly string[], options: DeadOptions) =>
    changeDead(action, ids, options),
  );
}

function withFunction(command: Command): Command {
  return command
    .option('--function <function>', 'all of this function: its name within --app, or its id')
    .option('--app <app>', 'name of the app of --function')
    .addOption(jsonOption())
    .addOption(apiOption());
}

async function listDead({ limit, json, ...options }: DeadOptions & { readonly limit: number }): Promise<void> {
  const api = apiAt(options.api);
  const calls = await deadOf(api, await functionId(api, options), limit);
  if (json) return say([JSON.stringify(calls)]);
  const names = await new FunctionNames(api).of([...new Set(calls.map(({ fn_id: id }) => id))]);
  say(callTable(calls, (id) => names.get(id) ?? id));
}

/** Newest first, callbacks included. */
async function deadOf(api: ApiClient, fnId: string | undefined, limit: number): Promise<readonly CallLine[]> {
  const calls = await api.listCalls(fnId, DEAD, limit);
  if (fnId === undefined) return calls;
  const both = [...calls, ...(await api.listCalls(fnId, DEAD, limit, 'callback'))];
  return both.sort((a, b) => b.created_at.localeCompare(a.created_at)).slice(0, limit);
}

async function changeDead(action: Action, ids: readonly string[], options: DeadOptions): Promise<void> {
  const api = apiAt(options.api);
  const fnId = await functionId(api, options);
  if ((fnId === undefined) === (ids.length === 0)) throw new Error('give either ids of calls, or --function');
  const changed = fnId === undefined ? await changeEach(api, action, ids) : await api.changeDead(action, fnId);
  say(options.json ? [JSON.stringify({ changed })] : [`${DONE[action]}: ${changed}`]);
}

/** Nothing is changed if one of them is no dead letter. */
async function changeEach(api: ApiClient, action: Action, ids: readonly string[]): Promise<number> {
  const calls: CallRef[] = [];
  for (const id of new Set(ids)) {
    const call = await findCall(api, id);
    if (call.status !== DEAD) throw new Error(`call ${id} is no dead letter: its status is ${inWords(call)}`);
    calls.push(call);
  }
  let changed = 0;
  for (const { fn_id: fnId, id } of calls) changed += await api.changeDead(action, fnId, id);
  return changed;
}

/** Without an app the id as it is, because its function may have been deleted. */
async function functionId(
  api: ApiClient,
  { function: name, app }: Pick<DeadOptions, 'function' | 'app'>,
): Promise<string | undefined> {
  if (app !== undefined && name === undefined) throw new Error('--app is the app of --function, which is missing');
  return app === undefined || name === undefined ? name : (await findFunction(api, app, name)).id;
}

import { Argument, Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient, type Config } from '../api-client.js';
import { collectConfig } from '../manage/resources.js';
import { commandsOf, type Given, type ManageCommand, VERBS, type Verb } from '../manage/table.js';
import { say } from '../terminal/output.js';
import { apiOption, jsonOption } from './options.js';

/** `fnfleet create`, `list`, `inspect`, `update`, `delete` or `config`, with a subcommand for each kind of resource. */
export function manageCommand(verb: Verb): Command {
  const command = new Command(verb).description(VERBS[verb]);
  for (const declared of commandsOf(verb)) command.addCommand(nounCommand(declared));
  return command;
}

function nounCommand(declared: ManageCommand): Command {
  const command = new Command(declared.noun).description(declared.doc).alias(otherNumber(declared.noun));
  for (const [form, doc] of declared.arguments) command.argument(form, doc);
  if (declared.takesConfig) {
    command.addArgument(new Argument('[KEY=VALUE...]', 'what to set').argParser(collectConfig));
  }
  for (const option of declared.options ?? []) command.addOption(option());
  return command
    .addOption(jsonOption())
    .addOption(apiOption())
    .action(async () => {
      const given = command.opts<Given & { api: string; json: boolean }>();
      const names = command.processedArgs.slice(0, declared.arguments.length) as string[];
      // Commander calls no parser without values; they are an empty list then.
      const set: Config | readonly string[] = (declared.takesConfig && command.processedArgs[names.length]) || [];
      const config: Config = Array.isArray(set) ? {} : (set as Config);
      const api = new ApiClient(given.api, fleetAccess(process.env).fetch);
      const { json, lines } = await declared.run(api, names, given, config);
      say(given.json ? [JSON.stringify(json)] : lines);
    });
}

/** `list app` means what `list apps` does, and `inspect apps` what `inspect app` does. */
function otherNumber(noun: string): string {
  return noun.endsWith('s') ? noun.slice(0, -1) : `${noun}s`;
}

import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { fetchExplanation, formatTimeline } from '../explanation.js';
import { FunctionNames } from '../operate/function-names.js';
import { say } from '../terminal/output.js';
import { apiOption, lbOption } from './options.js';

/** Time limit for looking up the function's name: it is only decoration. Milliseconds. */
const NAMES_TIMEOUT_MS = 2000;

interface ExplainOptions {
  readonly lb: readonly string[];
  readonly api: string;
  readonly json: boolean;
}

export function explainCommand(): Command {
  return new Command('explain')
    .description(
      'Explains what happened to a call: which runners were tried, how long it waited, and where its time went.',
    )
    .argument('<call-id>', 'the Fn-Call-Id of its response')
    .addOption(lbOption())
    .addOption(apiOption('API node to look up the name of the function at'))
    .option('--json', 'print the answer of the balancer as JSON', false)
    .action(explain);
}

async function explain(callId: string, { lb, api, json }: ExplainOptions): Promise<void> {
  const { fetch } = fleetAccess(process.env);
  const explanation = await fetchExplanation(lb, callId, fetch);
  if (json) return say([JSON.stringify(explanation)]);
  const names = new FunctionNames(new ApiClient(api, fetch, NAMES_TIMEOUT_MS));
  const { fn_id: id } = explanation;
  say(formatTimeline(explanation, (await names.of([id])).get(id)));
}

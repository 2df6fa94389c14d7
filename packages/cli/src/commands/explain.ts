import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { fetchExplanation } from '../explain/fetch-explanation.js';
import { formatTimeline } from '../explain/format-timeline.js';
import { FunctionNames } from '../operate/function-names.js';
import { say } from '../terminal/say.js';
import { apiOption, lbOption } from './options.js';

/** For the name of the function, which an explanation should not wait for. */
const NAMES_TIMEOUT_MS = 2000;

interface ExplainOptions {
  readonly lb: readonly string[];
  readonly api: string;
  readonly json: boolean;
}

export function explainCommand(): Command {
  return new Command('explain')
    .description('Tells what became of a call: who was asked, how long it waited, where its time went.')
    .argument('<call-id>', 'the Fn-Call-Id of its answer')
    .addOption(lbOption())
    .addOption(apiOption('API node, which knows what the function is called'))
    .option('--json', 'what the balancer says, as it is', false)
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

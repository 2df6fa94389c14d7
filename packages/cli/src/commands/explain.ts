import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { fetchExplanation } from '../explain/fetch-explanation.js';
import { formatTimeline } from '../explain/format-timeline.js';
import { say } from '../terminal/say.js';
import { lbOption } from './options.js';

export function explainCommand(): Command {
  return new Command('explain')
    .description('Tells what became of a call: who was asked, how long it waited, where its time went.')
    .argument('<call-id>', 'the Fn-Call-Id of its answer')
    .addOption(lbOption())
    .option('--json', 'what the balancer says, as it is', false)
    .action(async (callId: string, { lb, json }: { lb: readonly string[]; json: boolean }) => {
      const explanation = await fetchExplanation(lb, callId, fleetAccess(process.env).fetch);
      say(json ? [JSON.stringify(explanation)] : formatTimeline(explanation));
    });
}

import { Command, InvalidArgumentError, Option } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { fetchExplanation } from '../explain/fetch-explanation.js';
import { formatTimeline } from '../explain/format-timeline.js';

/** Where `fnfleet up` puts its balancer, and a full node itself. */
const LOCAL: readonly string[] = ['http://localhost:8081', 'http://localhost:8080'];

export function explainCommand(): Command {
  return new Command('explain')
    .description('Tells what became of a call: who was asked, how long it waited, where its time went.')
    .argument('<call-id>', 'the Fn-Call-Id of its answer')
    .addOption(
      new Option('--lb <urls>', 'load balancers to ask, separated by commas')
        .env('FN_LB_URL')
        .default(LOCAL, LOCAL.join(','))
        .argParser(urls),
    )
    .option('--json', 'what the balancer says, as it is', false)
    .action(async (callId: string, { lb, json }: { lb: readonly string[]; json: boolean }) => {
      const explanation = await fetchExplanation(lb, callId, fleetAccess(process.env).fetch);
      const lines = json ? [JSON.stringify(explanation)] : formatTimeline(explanation);
      process.stdout.write(`${lines.join('\n')}\n`);
    });
}

function urls(value: string): readonly string[] {
  return value.split(',').map((part) => {
    const url = part.trim().replace(/\/+$/, '');
    if (/^https?:\/\/[^\s/]+$/.test(url)) return url;
    throw new InvalidArgumentError(`expected http://host:port, got ${JSON.stringify(part)}.`);
  });
}

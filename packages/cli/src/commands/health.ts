import { readSettings } from '@fnfleet/core';
import { commonSettings } from '@fnfleet/node';
import { Command } from 'commander';
import { checkHealth } from '../health/check-health.js';
import { remark } from '../terminal/say.js';
import { withExitCodes } from './exit-codes.js';

/** On a machine that is busy an answer takes a while; whoever asks has a limit of its own. */
const TIMEOUT_MS = 8_000;

export function healthCommand(): Command {
  const command = new Command('health')
    .description('Asks the node on this machine whether it takes work: exit code 0, or 1 and why not.')
    .option('--live', 'whether it answers at all, even while it starts or drains', false)
    .option(
      '--url <url>',
      'the node to ask, in place of the one that FN_PORT, FN_BIND_ADDRESS and FN_TLS_CERT describe',
    )
    .action(async ({ live, url }: { live: boolean; url?: string }) => {
      const trouble = await checkHealth(url ?? ownUrl(), live ? '/healthz' : '/readyz', TIMEOUT_MS);
      if (trouble === undefined) return;
      remark(trouble);
      process.exitCode = 1;
    });
  return withExitCodes(command, {
    0: 'it takes work, or an operator has told it not to; with --live, it answers',
    1: 'it does not, or does not answer; standard error says which',
  });
}

/** Where a role with this environment listens. */
function ownUrl(): string {
  const { port, bindAddress } = commonSettings;
  const settings = readSettings({ port, bindAddress }, process.env);
  const everywhere = settings.bindAddress === '0.0.0.0' || settings.bindAddress === '::';
  const host = everywhere ? '127.0.0.1' : settings.bindAddress;
  return `${process.env.FN_TLS_CERT ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${settings.port}`;
}

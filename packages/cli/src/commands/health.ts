import { readSettings } from '@fnfleet/core';
import { commonSettings } from '@fnfleet/node';
import { Command } from 'commander';
import { checkHealth } from '../health/check-health.js';
import { remark } from '../terminal/say.js';
import { withExitCodes } from './exit-codes.js';

/** Generous, because a busy machine answers slowly and supervisors apply a timeout of their own. Milliseconds. */
const TIMEOUT_MS = 8_000;

export function healthCommand(): Command {
  const command = new Command('health')
    .description('Checks whether the node on this machine is ready. Exits with 0, or with 1 and the reason.')
    .option('--live', 'check only that it is alive, even while it starts or drains', false)
    .option('--url <url>', 'node to check; default: the one that FN_PORT, FN_BIND_ADDRESS and FN_TLS_CERT describe')
    .action(async ({ live, url }: { live: boolean; url?: string }) => {
      const trouble = await checkHealth(url ?? ownUrl(), live ? '/healthz' : '/readyz', TIMEOUT_MS);
      if (trouble === undefined) return;
      remark(trouble);
      process.exitCode = 1;
    });
  return withExitCodes(command, {
    0: 'the node is ready, or an operator has drained it; with --live, it is alive',
    1: 'the node is not ready, or does not answer; standard error says which',
  });
}

/** The URL at which a role with this environment listens. */
function ownUrl(): string {
  const { port, bindAddress } = commonSettings;
  const settings = readSettings({ port, bindAddress }, process.env);
  const everywhere = settings.bindAddress === '0.0.0.0' || settings.bindAddress === '::';
  const host = everywhere ? '127.0.0.1' : settings.bindAddress;
  return `${process.env.FN_TLS_CERT ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${settings.port}`;
}

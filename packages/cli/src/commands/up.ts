import { stopSignal } from '@fnfleet/node';
import { Command } from 'commander';
import { fleetAccess } from '../access/fleet-access.js';
import { LocalFleet } from '../fleet/local-fleet.js';
import { showExample } from '../fleet/show-example.js';
import { remark, say } from '../terminal/say.js';
import { wholeNumber } from './options.js';

interface UpOptions {
  readonly runners: number;
  readonly port: number;
  readonly grpcPort: number;
  readonly data?: string;
  readonly example?: string;
  readonly image?: string;
  readonly quiet: boolean;
}

export function upCommand(): Command {
  return new Command('up')
    .description('Starts a fleet on this machine, each node as its own process, and keeps it running until Ctrl-C.')
    .option('--runners <n>', 'number of runners', wholeNumber(1, 100), 2)
    .option(
      '--port <n>',
      'HTTP port of the API node; the balancer and the runners use the ports after it',
      wholeNumber(1, 65_000),
      8080,
    )
    .option(
      '--grpc-port <n>',
      'gRPC port of the first runner; the others use the ports after it',
      wholeNumber(1, 65_000),
      9190,
    )
    .option('--data <folder>', 'keep the database in this folder; by default it is deleted at the end')
    .option('--example <folder>', 'deploy the function in this folder, call it and show the response')
    .option('--image <reference>', 'image of the example, instead of the one in its func.yaml')
    .option('--quiet', 'hide the logs of the nodes', false)
    .addHelpText(
      'after',
      '\nSettings in the environment (FN_DRIVER, FN_LOG_LEVEL, …) apply to every node; see: fnfleet node --help',
    )
    .action(up);
}

async function up(options: UpOptions): Promise<void> {
  const fleet = new LocalFleet({
    runners: options.runners,
    port: options.port,
    grpcPort: options.grpcPort,
    secure: Boolean(process.env.FN_TLS_CERT),
    dataDir: options.data,
    print: options.quiet ? () => undefined : remark,
  });
  // Exiting at once stops the nodes too: each of them notices that its parent is gone.
  const interrupted = stopSignal(() => process.exit(1));
  try {
    await Promise.race([bringUp(fleet, options), interrupted]);
    const lost = fleet.nodeLost().then((what) => {
      throw new Error(`${what}; stopping the fleet`);
    });
    await Promise.race([lost, interrupted]);
  } finally {
    remark('• draining the fleet (press Ctrl-C again to stop it at once) …');
    await fleet.stop();
    remark('• stopped and cleaned up');
  }
}

async function bringUp(fleet: LocalFleet, { example, image, runners }: UpOptions): Promise<void> {
  remark(`• starting 1 API node, 1 balancer, ${runners} runner${runners === 1 ? '' : 's'} …`);
  await fleet.start().catch((error: Error) => {
    throw new Error(`${error.message}${otherPorts(error.message)}`, { cause: error });
  });
  const { apiUrl, lbUrl, runnerAddresses } = fleet.plan;
  if (example !== undefined) {
    const access = fleetAccess(process.env);
    await showExample({
      folder: example,
      image,
      registry: process.env.FN_REGISTRY,
      apiUrl,
      lbUrl,
      runnerAddresses,
      access,
    });
  }
  say([
    '',
    `The fleet is up.   API ${apiUrl}   balancer ${lbUrl}`,
    `  processes   ${fleet.processes.map(({ name, pid }) => `${name} ${pid}`).join(', ')}`,
    '  stop        Ctrl-C',
  ]);
}

/** Nodes name settings in their errors; this command has options for them. */
function otherPorts(reason: string): string {
  if (reason.includes('FN_GRPC_PORT')) return `\n(${option('--grpc-port')})`;
  return reason.includes('FN_PORT') ? `\n(${option('--port')})` : '';
}

function option(name: string): string {
  return `change it with ${name} <n>: ${upCommand().options.find(({ long }) => long === name)?.description}`;
}

import path from 'node:path';
import { stopSignal } from '@fnfleet/node';
import { Command } from 'commander';
import { type FleetAccess, fleetAccess } from '../access/fleet-access.js';
import { ApiClient } from '../api-client.js';
import { deploy, invokeUrl } from '../deploy/deploy.js';
import { LocalFleet } from '../fleet/local-fleet.js';
import { readFuncFile } from '../func-file/read-func-file.js';
import { remark, say } from '../terminal/output.js';
import { wholeNumber } from './options.js';

interface UpOptions {
  readonly runners: number;
  readonly port: number;
  readonly grpcPort?: number;
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
      'gRPC port of the first runner; the others use the ports after it; by default, runners listen on unix sockets',
      wholeNumber(1, 65_000),
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
    await fleet.close();
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
  if (/FN_GRPC_(PORT|SOCKET)/.test(reason)) return `\n(${option('--grpc-port')})`;
  return reason.includes('FN_PORT') ? `\n(${option('--port')})` : '';
}

function option(name: string): string {
  return `change it with ${name} <n>: ${upCommand().options.find(({ long }) => long === name)?.description}`;
}

const APP = 'example';
const QUESTION = '{"name":"fleet"}';

interface ExampleOptions {
  readonly folder: string;
  readonly image?: string;
  readonly registry?: string | undefined;
  readonly apiUrl: string;
  readonly lbUrl: string;
  readonly runnerAddresses: readonly string[];
  readonly access: FleetAccess;
}

/** Deploys a function, calls it through the balancer, and shows the response, where it ran and what to try next. */
async function showExample({
  folder,
  image,
  registry,
  apiUrl,
  lbUrl,
  runnerAddresses,
  access,
}: ExampleOptions): Promise<void> {
  const { spec, triggers } = readFuncFile(folder, { registry });
  const api = new ApiClient(apiUrl, access.fetch);
  const { fn } = await deploy(api, APP, { spec: { ...spec, image: image ?? spec.image }, triggers });
  const url = invokeUrl(fn);
  remark(`• deployed ${spec.name} (${image ?? spec.image}); calling it …`);

  const response = await access.call(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'fn-explain': '1' },
    body: QUESTION,
  });
  const answer = await response.text();
  const command = ownCommand();
  if (!response.ok) throw new Error(`calling ${spec.name} failed with status ${response.status}: ${answer.trim()}`);
  say([
    '',
    `${spec.name} answered:  ${answer.trim()}`,
    `  call        ${response.headers.get('fn-call-id')}`,
    `  where       ${response.headers.get('fn-explain')}`,
    '',
    'Try next:',
    `  curl -d '${QUESTION}' -H 'content-type: application/json' -H 'fn-explain: 1' -i ${url}`,
    `  echo '${QUESTION}' | ${command} invoke ${APP} ${spec.name} --api ${apiUrl}`,
    `  ${command} logs ${spec.name} --app ${APP} --api ${apiUrl} --runner ${runnerAddresses.join(',')}`,
    `  ${command} list functions ${APP} --api ${apiUrl}`,
    `  curl ${lbUrl}/metrics`,
    `  FN_API_URL=${apiUrl} fn list apps        # the fn command line of Fn works as it is`,
  ]);
}

/** The command for the reader to type: the path in a clone, `npx` where npm installed the package. */
function ownCommand(): string {
  return __dirname.split(path.sep).includes('node_modules') ? 'npx fnfleet' : 'bin/fnfleet';
}

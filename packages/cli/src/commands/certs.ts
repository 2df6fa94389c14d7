import { systemClock } from '@fnfleet/core';
import { NODE_TYPES } from '@fnfleet/node';
import { Command, Option } from 'commander';
import { CertFolder } from '../certs/cert-folder.js';
import { FleetCerts } from '../certs/fleet-certs.js';
import { fleetSpecs } from '../certs/fleet-specs.js';
import { formatCertificates } from '../certs/format-certificates.js';
import { say } from '../terminal/say.js';
import { names, wholeNumber } from './options.js';

const MAX_DAYS = 3650;
/** Who may be told apart by its certificate. */
const ROLES: readonly string[] = [...NODE_TYPES, 'operator'];

interface Common {
  readonly dir: string;
  readonly json: boolean;
}
interface IssueOptions extends Common {
  readonly san: readonly string[];
  readonly role?: string;
  readonly days: number;
  readonly force: boolean;
}
interface FleetOptions extends Common {
  readonly names: readonly string[];
  readonly san: readonly string[];
  readonly days: number;
}

/** Makes and renews the private CA of a fleet and the certificates of its nodes. */
export function certsCommand(): Command {
  return new Command('certs')
    .description('Makes and renews the private CA of a fleet and the certificates of its nodes.')
    .addCommand(initCommand())
    .addCommand(issueCommand())
    .addCommand(fleetCommand())
    .addCommand(renewCommand())
    .addCommand(listCommand())
    .addCommand(rotateCommand())
    .addHelpText('after', '\ndocs/security.md tells how to use them.');
}

function initCommand(): Command {
  return command('init', 'Makes a CA, for ten years.')
    .option('--force', 'replace the one there is; every certificate that it has signed is worth nothing then', false)
    .action((options: Common & { force: boolean }) => {
      const certs = open(options);
      certs.init(options);
      tell(options, certs, [`made a CA in ${options.dir}; ca.key signs for the fleet: keep it from every node`]);
    });
}

function issueCommand(): Command {
  return command('issue', 'Makes the certificate of a node, or of an operator.')
    .argument('<name>', 'host name that others reach it at; also what its files are called')
    .addOption(sanOption())
    .addOption(
      new Option('--role <role>', 'adds the name urn:fnfleet:role:<role>, for FN_TLS_ALLOWED_NAMES').choices(ROLES),
    )
    .addOption(daysOption())
    .option('--force', 'replace the one there is', false)
    .action((name: string, options: IssueOptions) => {
      const certs = open(options);
      certs.issue({ ...options, name, sans: options.san }, options);
      tell(options, certs, made(options.dir, name));
    });
}

function fleetCommand(): Command {
  return command('fleet', 'Makes in one go what a fleet needs: the CA and certificates that are not there yet.')
    .addOption(
      new Option(
        '--names <names>',
        'nodes, separated by commas; one called after a role (lb, lb2, runner-a) gets it, prometheus that of operators',
      )
        .default(['api', 'lb', 'runner', 'operator'], 'api,lb,runner,operator')
        .argParser(names),
    )
    .addOption(fleetSanOption())
    .addOption(daysOption())
    .action((options: FleetOptions) => {
      const certs = open(options);
      if (!certs.hasAuthority) certs.init();
      const known = new Set(certs.list().map(({ name }) => name));
      const missing = options.names.filter((name) => !known.has(name));
      const specs = fleetSpecs(options.names, options.san);
      for (const spec of specs.filter(({ name }) => !known.has(name))) certs.issue({ ...spec, days: options.days });
      tell(
        options,
        certs,
        missing.length === 0 ? ['nothing is missing'] : missing.flatMap((name) => made(options.dir, name)),
      );
    });
}

function renewCommand(): Command {
  return command('renew', 'Renews the certificates of which less than a third of their time is left.')
    .option('--all', 'renew all', false)
    .option('--new-keys', 'with new keys', false)
    .action((options: Common & { all: boolean; newKeys: boolean }) => {
      const certs = open(options);
      const renewed = certs.renew(options);
      tell(options, certs, [renewed.length === 0 ? 'nothing is due' : `renewed ${renewed.join(', ')}`]);
    });
}

function listCommand(): Command {
  return command('list', 'Shows who has a certificate, for which names, and until when.').action((options: Common) => {
    const certs = open(options);
    tell(options, certs, formatCertificates(certs.list()));
  });
}

function rotateCommand(): Command {
  return new Command('rotate-ca')
    .description('Moves a fleet to a new CA in three steps, without failing a call. Each step tells the next.')
    .addCommand(
      command('trust', 'First: a new CA, trusted beside the one there is.').action((options: Common) => {
        const certs = open(options);
        certs.trustNext();
        tell(options, certs, [
          'ca.crt holds both CAs',
          'next: give it to every node, then `fnfleet certs rotate-ca reissue`',
        ]);
      }),
    )
    .addCommand(
      command('reissue', 'Second: new certificates, signed by the new CA.').action((options: Common) => {
        const certs = open(options);
        const reissued = certs.reissueAll();
        tell(options, certs, [
          `reissued ${reissued.join(', ')}`,
          'next: give them to their nodes, then `fnfleet certs rotate-ca finish`',
        ]);
      }),
    )
    .addCommand(
      command('finish', 'Last: the CA of before is no longer trusted.').action((options: Common) => {
        const certs = open(options);
        certs.dropOld();
        tell(options, certs, ['ca.crt holds the new CA alone', 'next: give it to every node']);
      }),
    );
}

function command(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--dir <folder>', 'where certificates and keys are', 'certs')
    .option('--json', 'say what there is now as JSON', false);
}

function sanOption(): Option {
  return new Option('--san <names>', 'further host names, IP addresses and URIs, separated by commas')
    .default([], 'none')
    .argParser(names);
}

function fleetSanOption(): Option {
  return new Option(
    '--san <names>',
    'further names: <node>=<name> for one node, <name> for API nodes and balancers; separated by commas',
  )
    .default([], 'none')
    .argParser(names);
}

function daysOption(): Option {
  return new Option('--days <n>', 'for so long').default(90).argParser(wholeNumber(1, MAX_DAYS));
}

function open({ dir }: Common): FleetCerts {
  return new FleetCerts(new CertFolder(dir), systemClock.wallNow());
}

function made(dir: string, name: string): string[] {
  return [`made ${dir}/${name}.crt and ${dir}/${name}.key`];
}

function tell({ json }: Common, certs: FleetCerts, lines: readonly string[]): void {
  say(json ? [JSON.stringify(certs.list())] : lines);
}

import { systemClock } from '@fnfleet/core';
import { NODE_TYPES } from '@fnfleet/node';
import { Command, Option } from 'commander';
import { CertFolder } from '../certs/cert-folder.js';
import { type CertificateInfo, FleetCerts } from '../certs/fleet-certs.js';
import { fleetSpecs } from '../certs/fleet-specs.js';
import { say } from '../terminal/output.js';
import { names, wholeNumber } from './options.js';

const MAX_DAYS = 3650;
/** Roles that a certificate can name. */
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

/** Creates and renews the private CA of a fleet and the certificates of its nodes. */
export function certsCommand(): Command {
  return new Command('certs')
    .description('Creates and renews the private CA of a fleet and the certificates of its nodes.')
    .addCommand(initCommand())
    .addCommand(issueCommand())
    .addCommand(fleetCommand())
    .addCommand(renewCommand())
    .addCommand(listCommand())
    .addCommand(rotateCommand())
    .addHelpText('after', '\ndocs/security.md describes how to use them.');
}

function initCommand(): Command {
  return command('init', 'Creates a CA that is valid for ten years.')
    .option('--force', 'replace the existing CA; every certificate that it has signed becomes invalid', false)
    .action((options: Common & { force: boolean }) => {
      const certs = open(options);
      certs.init(options);
      tell(options, certs, [
        `created a CA in ${options.dir}; keep ca.key secret and off every node: it signs the certificates of the fleet`,
      ]);
    });
}

function issueCommand(): Command {
  return command('issue', 'Issues a certificate for a node or an operator.')
    .argument('<name>', 'host name at which other nodes reach it; also the name of its files')
    .addOption(sanOption())
    .addOption(
      new Option('--role <role>', 'add the name urn:fnfleet:role:<role>, for FN_TLS_ALLOWED_NAMES').choices(ROLES),
    )
    .addOption(daysOption())
    .option('--force', 'replace an existing certificate', false)
    .action((name: string, options: IssueOptions) => {
      const certs = open(options);
      certs.issue({ ...options, name, sans: options.san }, options);
      tell(options, certs, made(options.dir, name));
    });
}

function fleetCommand(): Command {
  return command('fleet', 'Creates the CA and the certificates that a fleet needs and that do not exist yet.')
    .addOption(
      new Option(
        '--names <names>',
        'nodes, separated by commas; one named after a role (lb, lb2, runner-a) gets that role, prometheus gets operator',
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
  return command('renew', 'Renews the certificates that have less than a third of their lifetime left.')
    .option('--all', 'renew all certificates', false)
    .option('--new-keys', 'also generate new keys', false)
    .action((options: Common & { all: boolean; newKeys: boolean }) => {
      const certs = open(options);
      const renewed = certs.renew(options);
      tell(options, certs, [
        renewed.length === 0 ? 'no certificate is due for renewal' : `renewed ${renewed.join(', ')}`,
      ]);
    });
}

function listCommand(): Command {
  return command('list', 'Lists the certificates with their names and when they expire.').action((options: Common) => {
    const certs = open(options);
    tell(options, certs, formatCertificates(certs.list()));
  });
}

function rotateCommand(): Command {
  return new Command('rotate-ca')
    .description('Moves a fleet to a new CA in three steps, without failing a call. Each step prints the next one.')
    .addCommand(
      command('trust', 'Step 1: creates a new CA that is trusted in addition to the current one.').action(
        (options: Common) => {
          const certs = open(options);
          certs.trustNext();
          tell(options, certs, [
            'ca.crt holds both CAs',
            'next: give it to every node, then `fnfleet certs rotate-ca reissue`',
          ]);
        },
      ),
    )
    .addCommand(
      command('reissue', 'Step 2: reissues every certificate, signed by the new CA.').action((options: Common) => {
        const certs = open(options);
        const reissued = certs.reissueAll();
        tell(options, certs, [
          `reissued ${reissued.join(', ')}`,
          'next: give them to their nodes, then `fnfleet certs rotate-ca finish`',
        ]);
      }),
    )
    .addCommand(
      command('finish', 'Step 3: removes the previous CA from the trusted ones.').action((options: Common) => {
        const certs = open(options);
        certs.dropOld();
        tell(options, certs, ['ca.crt holds only the new CA', 'next: give it to every node']);
      }),
    );
}

function command(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option('--dir <folder>', 'folder of the certificates and keys', 'certs')
    .option('--json', 'print the resulting certificates as JSON', false);
}

function sanOption(): Option {
  return new Option('--san <names>', 'additional host names, IP addresses and URIs, separated by commas')
    .default([], 'none')
    .argParser(names);
}

function fleetSanOption(): Option {
  return new Option(
    '--san <names>',
    'additional names: <node>=<name> for one node, <name> for API nodes and balancers; separated by commas',
  )
    .default([], 'none')
    .argParser(names);
}

function daysOption(): Option {
  return new Option('--days <n>', 'days until it expires').default(90).argParser(wholeNumber(1, MAX_DAYS));
}

function open({ dir }: Common): FleetCerts {
  return new FleetCerts(new CertFolder(dir), systemClock.wallNow());
}

function made(dir: string, name: string): string[] {
  return [`created ${dir}/${name}.crt and ${dir}/${name}.key`];
}

function tell({ json }: Common, certs: FleetCerts, lines: readonly string[]): void {
  say(json ? [JSON.stringify(certs.list())] : lines);
}

const HEAD = ['NAME', 'EXPIRES', 'DAYS', 'SIGNED BY', 'NAMES'] as const;

/** A human-readable table. */
export function formatCertificates(certificates: readonly CertificateInfo[]): string[] {
  if (certificates.length === 0) return ['no certificates'];
  const rows = certificates.map(({ name, expiresAt, daysLeft, issuer, current, names }) => [
    name,
    expiresAt.slice(0, 10),
    daysLeft <= 0 ? 'expired' : `${daysLeft}`,
    current ? issuer : `${issuer} (previous)`,
    names.join(' '),
  ]);
  const lines = [[...HEAD], ...rows];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

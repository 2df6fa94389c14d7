import { Command } from 'commander';
import { examine } from '../operate/doctor/examine.js';
import { formatFindings } from '../operate/doctor/finding.js';
import { say } from '../terminal/output.js';
import { withExitCodes } from './exit-codes.js';
import { jsonOption } from './options.js';

const EXIT_FAILED = 2;

export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description('Checks what a node on this machine needs, and reports what is wrong and how to fix it.')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Run it with the settings of the node (FN_NODE_TYPE, FN_TLS_CERT, DOCKER_HOST, …), as the user that the node runs as; the node
can be running. It changes nothing.`,
    )
    .action(async ({ json }: { json: boolean }) => {
      const findings = await examine(process.env);
      say(json ? [JSON.stringify(findings)] : formatFindings(findings));
      if (findings.some(({ verdict }) => verdict === 'fail')) process.exitCode = EXIT_FAILED;
    });
  return withExitCodes(command, {
    0: 'a node with these settings can work here; `warn` lines say what could be better',
    1: 'the command line is invalid',
    [EXIT_FAILED]: 'a node cannot work here or cannot reach its peers; `fail` lines say why and how to fix it',
  });
}

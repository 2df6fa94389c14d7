import { Command } from 'commander';
import { examine } from '../operate/doctor/examine.js';
import { formatFindings } from '../operate/doctor/format-findings.js';
import { say } from '../terminal/say.js';
import { withExitCodes } from './exit-codes.js';
import { jsonOption } from './options.js';

const EXIT_FAILED = 2;

export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description('Looks at what a node on this machine needs, and says what is wrong and what to do.')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Run it with the settings of the node (FN_NODE_TYPE, FN_TLS_CERT, DOCKER_HOST, …), as the user that the node runs as; the node
may run meanwhile. It changes nothing.`,
    )
    .action(async ({ json }: { json: boolean }) => {
      const findings = await examine(process.env);
      say(json ? [JSON.stringify(findings)] : formatFindings(findings));
      if (findings.some(({ verdict }) => verdict === 'fail')) process.exitCode = EXIT_FAILED;
    });
  return withExitCodes(command, {
    0: 'a node with these settings can work here; lines with `warn` say what could be better',
    1: 'the command line is wrong',
    [EXIT_FAILED]: 'it cannot, or not with others; lines with `fail` say why, and what to do',
  });
}

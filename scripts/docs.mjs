/**
 * Renders the reference pages that come from declarations: docs/configuration.md, docs/errors.md, docs/metrics.md,
 * docs/commands.md, docs/openapi.json, and the names that a node's environment may have.
 * With --check it writes nothing and fails when a page is not what it should be.
 */
import { openApiDocument } from '@fnfleet/api';
import { ERRORS, METRICS, renderSettings } from '@fnfleet/core';
import { COMMANDS, newProgram, SETTINGS_SECTIONS } from 'fnfleet';
import { renderCommands, treeOf, walk } from '../packages/cli/dist/reference/command-tree.js';
import { renderFile } from './lib/rendered-file.mjs';

const tree = treeOf(await newProgram(COMMANDS));

/** All that begin with FN_, of nodes and of commands. */
function variableNames() {
  const settings = SETTINGS_SECTIONS.flatMap(({ shape }) => Object.values(shape).map(({ name }) => name));
  const options = [...walk(tree)].flatMap(({ node }) => node.options.map(({ variable }) => variable ?? ''));
  return [...new Set([...settings, ...options])].filter((name) => name.startsWith('FN_')).sort();
}

/** Former names of settings, each with the current one. */
function formerNames() {
  const settings = SETTINGS_SECTIONS.flatMap(({ shape }) => Object.values(shape));
  const renamed = settings.flatMap(({ name, formerly }) =>
    formerly === undefined ? [] : [/** @type {const} */ ([formerly, name])],
  );
  return [...new Map(renamed)].sort(([a], [b]) => (a < b ? -1 : 1));
}

const NOTE = '<!-- Rendered by `npm run docs` from the declarations in the code. Do not edit. -->';

/** @type {Record<string, string>} text by file */
const pages = {
  'docs/configuration.md': `${NOTE}

# Configuration

Every setting is an environment variable. An empty variable counts as unset. \`<NAME>_FILE\` names a file that holds the
value instead. A setting that was renamed is read from its former name too, for one release, with a warning. A process with a wrong setting does not start; it lists everything that is wrong.

${renderSettings(SETTINGS_SECTIONS)}`,

  'docs/errors.md': `${NOTE}

# Errors

Every error answer is \`{"message":"<text>"}\` and a newline, as \`application/json\`. *Blame* says whose fault it was;
\`function\` and \`caller\` travel to a balancer as \`errorUser\`.

| Status | Text | Blame | Meaning |
|---|---|---|---|
${Object.values(ERRORS)
  .map(({ status, text, blame, doc }) => `| ${status} | \`${text}\` | ${blame} | ${doc} |`)
  .join('\n')}
`,

  'docs/commands.md': `${NOTE}

# Commands

\`fnfleet <command> --help\` shows the same. An option whose variable is named can be given by that variable. A command is let
in by the certificate of FN_TLS_CERT and FN_TLS_KEY, or by FN_OPERATOR_TOKEN, and with FN_TLS_CA talks to none but the fleet.

${renderCommands(tree)}`,

  'docs/metrics.md': `${NOTE}

# Metrics

Served at \`/metrics\` with the prefix \`fn_\`, and counters with the suffix \`_total\`: \`fn_calls_total\`; \`/\` becomes \`_\`.
Names are those of Fn, so dashboards built for it keep working. [operations.md](operations.md) tells how to read them.

| Name | Kind | Unit | Meaning |
|---|---|---|---|
${Object.entries(METRICS)
  .map(([name, { kind, unit, doc }]) => `| \`${name}\` | ${kind} | ${unit || '–'} | ${doc} |`)
  .join('\n')}
`,

  'docs/openapi.json': `${JSON.stringify(openApiDocument(), null, 1)}\n`,

  'packages/node/src/variable-names.ts': `// Rendered by \`npm run docs\` from the declarations in the code. Do not edit.

/** Every variable that a node or a command reads. A list of its own: the declarations come with the code of every role. */
export const VARIABLE_NAMES: readonly string[] = [
${variableNames()
  .map((name) => `  '${name}',\n`)
  .join('')}];

/** Former names of settings that are still accepted, each with the current one. */
export const FORMER_NAMES: Readonly<Record<string, string>> = {
${formerNames()
  .map(([former, name]) => `  ${former}: '${name}',\n`)
  .join('')}};
`,
};

for (const [name, page] of Object.entries(pages)) renderFile(name, page);

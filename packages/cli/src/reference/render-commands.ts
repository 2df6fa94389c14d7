import { type CommandNode, walk } from './command-tree.js';

/** Every command as Markdown, for docs/commands.md. */
export function renderCommands(program: CommandNode): string {
  return [...walk(program)]
    .filter(({ path, node }) => path.length > 0 && node.commands.length === 0)
    .map(({ path, node }) => renderCommand(program.name, path, node))
    .join('\n');
}

function renderCommand(program: string, path: readonly string[], node: CommandNode): string {
  const { arguments: given, options, exitCodes } = node;
  const required = options.filter((option) => option.required).map(({ flags }) => flags);
  const rest = options.length > required.length ? ['[options]'] : [];
  const usage = [program, ...path, ...rest, ...required, ...given.map(({ form }) => form)].join(' ');
  const rows = [
    ...given.map(({ form, description, choices }) => [
      form,
      '',
      '',
      [description, oneOf(choices)].filter(Boolean).join('; '),
    ]),
    ...options.map(({ flags, defaultText, variable, description, choices }) => [
      flags,
      defaultText === undefined ? '' : `\`${defaultText}\``,
      variable === undefined ? '' : `\`${variable}\``,
      [description, oneOf(choices)].filter(Boolean).join('; '),
    ]),
  ];
  const table =
    rows.length === 0 ? [] : ['| | Default | Variable | Meaning |', '|---|---|---|---|', ...rows.map(rowOf), ''];
  const codes = Object.entries(exitCodes).map(([code, meaning]) => `- \`${code}\` ${meaning}`);
  return [
    `## ${path.join(' ')}`,
    '',
    `\`${usage}\``,
    '',
    node.description,
    '',
    ...table,
    'Exit codes:',
    '',
    ...codes,
    '',
  ].join('\n');
}

function rowOf([form = '', ...others]: readonly string[]): string {
  return `| \`${form}\` | ${others.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function oneOf(choices: readonly string[]): string {
  return choices.length === 0 ? '' : `one of ${choices.join(', ')}`;
}

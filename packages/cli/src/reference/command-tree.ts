import type { Argument, Command, Option } from 'commander';
import { type ExitCodes, exitCodesOf } from '../commands/exit-codes.js';

/** A command as data, from which completions and the reference page are generated. */
export interface CommandNode {
  readonly name: string;
  readonly description: string;
  /** Arguments such as `<runner>` and `[name]`, with their descriptions. */
  readonly arguments: readonly ArgumentNode[];
  /** Options without `--help`. */
  readonly options: readonly OptionNode[];
  readonly exitCodes: ExitCodes;
  readonly commands: readonly CommandNode[];
}

export interface ArgumentNode {
  readonly form: string;
  readonly description: string;
  readonly choices: readonly string[];
}

export interface OptionNode {
  /** As in the help, such as `--interval <s>`. */
  readonly flags: string;
  /** `--interval` */
  readonly long: string;
  /** Name of its value, such as `s`; undefined if it takes none. */
  readonly value: string | undefined;
  readonly choices: readonly string[];
  readonly description: string;
  readonly defaultText: string | undefined;
  /** The environment variable that provides a default. */
  readonly variable: string | undefined;
  readonly required: boolean;
}

export function treeOf(command: Command): CommandNode {
  return {
    name: command.name(),
    description: command.description(),
    arguments: command.registeredArguments.map((argument) => ({
      form: formOf(argument),
      description: argument.description,
      choices: argument.argChoices ?? [],
    })),
    options: command.options.flatMap(optionNode),
    exitCodes: exitCodesOf(command),
    commands: command.commands.map(treeOf),
  };
}

/** All commands depth first, each with the names that lead to it. */
export function* walk(
  node: CommandNode,
  path: readonly string[] = [],
): Generator<{ path: readonly string[]; node: CommandNode }> {
  yield { path, node };
  for (const child of node.commands) yield* walk(child, [...path, child.name]);
}

function formOf(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function optionNode(option: Option): OptionNode[] {
  if (option.long === undefined || option.hidden) return [];
  const { flags, long, description, argChoices: choices = [], envVar: variable, mandatory: required } = option;
  const [, value] = /[<[]([^<>[\]]+)[>\]]/.exec(flags) ?? [];
  return [{ flags, long, value, choices, description, defaultText: defaultOf(option), variable, required }];
}

/** The default as text; undefined if there is none worth showing. */
function defaultOf({ defaultValue, defaultValueDescription, negate }: Option): string | undefined {
  if (defaultValueDescription !== undefined) return defaultValueDescription;
  if (defaultValue === undefined || typeof defaultValue === 'boolean' || negate) return undefined;
  return Array.isArray(defaultValue) ? defaultValue.join(',') : String(defaultValue);
}

/** What a shell can offer for the value of an option; nothing for `unknown`. */
export type ValueKind = 'folder' | 'file' | 'choice' | 'unknown';

export function valueKind({ value, choices }: Pick<OptionNode, 'value' | 'choices'>): ValueKind {
  if (choices.length > 0) return 'choice';
  return value === 'folder' || value === 'file' ? value : 'unknown';
}

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

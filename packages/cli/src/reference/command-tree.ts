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

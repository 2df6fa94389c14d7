import type { Argument, Command, Option } from 'commander';
import { type ExitCodes, exitCodesOf } from '../commands/exit-codes.js';

/** A command as data: what completions and the reference page are made from. */
export interface CommandNode {
  readonly name: string;
  readonly description: string;
  /** `<runner>`, `[name]`, with what they are. */
  readonly arguments: readonly ArgumentNode[];
  /** `--help` is not among them. */
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
  /** As it is written, `--interval <s>`. */
  readonly flags: string;
  /** `--interval` */
  readonly long: string;
  /** What its value is, `s`; undefined: it has none. */
  readonly value: string | undefined;
  readonly choices: readonly string[];
  readonly description: string;
  readonly defaultText: string | undefined;
  /** The variable that gives its value when it is not given. */
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

/** Depth first, each with the names that lead to it. */
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

/** In words; undefined where there is none, or none that has to be said. */
function defaultOf({ defaultValue, defaultValueDescription, negate }: Option): string | undefined {
  if (defaultValueDescription !== undefined) return defaultValueDescription;
  if (defaultValue === undefined || typeof defaultValue === 'boolean' || negate) return undefined;
  return Array.isArray(defaultValue) ? defaultValue.join(',') : String(defaultValue);
}

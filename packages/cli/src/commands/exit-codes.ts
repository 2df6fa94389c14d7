import type { Command } from 'commander';

/** Meanings by exit code. */
export type ExitCodes = Readonly<Record<number, string>>;

const declared = new WeakMap<Command, ExitCodes>();
/** The exit codes of a command that declares none. */
const USUAL: ExitCodes = {
  0: 'done',
  1: 'it failed, or the command line is invalid; standard error says why',
};

/** Declares what the exit codes of a command mean, for its help and docs/commands.md. */
export function withExitCodes(command: Command, codes: ExitCodes): Command {
  declared.set(command, codes);
  const lines = Object.entries(codes).map(([code, meaning]) => `  ${code}  ${meaning}`);
  return command.addHelpText('after', `\nExit codes:\n${lines.join('\n')}`);
}

export function exitCodesOf(command: Command): ExitCodes {
  return declared.get(command) ?? USUAL;
}

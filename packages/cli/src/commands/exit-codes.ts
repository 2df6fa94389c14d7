import type { Command } from 'commander';

/** By exit code, what it says. */
export type ExitCodes = Readonly<Record<number, string>>;

const declared = new WeakMap<Command, ExitCodes>();
/** What holds for a command that declares nothing. */
const USUAL: ExitCodes = {
  0: 'done',
  1: 'it could not be done, or the command line is wrong; standard error says why',
};

/** Declares what the exit codes of a command say: for its help, and for docs/commands.md. */
export function withExitCodes(command: Command, codes: ExitCodes): Command {
  declared.set(command, codes);
  const lines = Object.entries(codes).map(([code, meaning]) => `  ${code}  ${meaning}`);
  return command.addHelpText('after', `\nExit codes:\n${lines.join('\n')}`);
}

export function exitCodesOf(command: Command): ExitCodes {
  return declared.get(command) ?? USUAL;
}

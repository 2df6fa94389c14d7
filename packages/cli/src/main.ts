import { COMMANDS, newProgram } from './commands/all.js';
import { explainFailure, remark } from './terminal/output.js';

/** Runs the `fnfleet` command and sets the exit code of the process. Never throws. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    const program = await newProgram(called(argv[2]));
    await program.parseAsync([...argv]);
  } catch (error) {
    remark(explainFailure(error));
    process.exitCode = 1;
  }
}

/** Loads every command for the help, and to suggest a command for a mistyped name. */
function called(name: string | undefined): typeof COMMANDS {
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  return name !== undefined && command ? { [name]: command } : COMMANDS;
}

import { COMMANDS, newProgram } from './commands/all.js';
import { explainFailure } from './explain-failure.js';
import { remark } from './terminal/say.js';

/** The `fnfleet` command. Sets the exit code of the process; never throws. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    const program = await newProgram(called(argv[2]));
    await program.parseAsync([...argv]);
  } catch (error) {
    remark(explainFailure(error));
    process.exitCode = 1;
  }
}

/** All of them for the help, and to tell what a mistyped name may have meant. */
function called(name: string | undefined): typeof COMMANDS {
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  return name !== undefined && command ? { [name]: command } : COMMANDS;
}

import { COMMANDS, newProgram } from 'fnfleet';

type Command = Awaited<ReturnType<typeof newProgram>>;

/**
 * Whether `fnfleet` takes these arguments, by its own declarations; nothing is done.
 * @returns what it has against them
 */
export async function problemOf(args: readonly string[]): Promise<string | undefined> {
  const program = await newProgram(COMMANDS);
  disarm(program);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return undefined;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    return ['commander.helpDisplayed', 'commander.version'].includes(code ?? '') ? undefined : message;
  }
}

/**
 * The same for a command that is only mentioned, `fnfleet drain` or `fnfleet certs rotate-ca …`: it has to exist, and so have
 * its options.
 */
export async function mentionProblemOf(args: readonly string[]): Promise<string | undefined> {
  let command = await newProgram(COMMANDS);
  for (const [index, word] of args.entries()) {
    if (word.startsWith('-')) {
      const [name] = word.split('=');
      const known = [...command.options.map(({ long }) => long), '--help'];
      if (word.startsWith('--') && !known.includes(name)) return `${command.name()} has no option ${name}`;
      continue;
    }
    const child = command.commands.find((candidate) => candidate.name() === word);
    if (child) command = child;
    else if (index === 0 && !/^[<…]/.test(word)) return `there is no command ${word}`;
  }
  return undefined;
}

function disarm(command: Command): void {
  command.exitOverride().configureOutput({ writeOut: () => undefined, writeErr: () => undefined });
  if (command.commands.length === 0) command.action(() => undefined);
  for (const child of command.commands) disarm(child);
}

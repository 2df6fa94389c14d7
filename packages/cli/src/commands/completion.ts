import { Argument, Command } from 'commander';
import { bashCompletion } from '../completion/bash.js';
import { fishCompletion } from '../completion/fish.js';
import { zshCompletion } from '../completion/zsh.js';
import { treeOf } from '../reference/command-tree.js';

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

/** @param program with all commands */
export function completionCommand(program: () => Promise<Command>): Command {
  return new Command('completion')
    .description('Prints a script that makes a shell complete the commands and options of fnfleet.')
    .addArgument(new Argument('<shell>', 'shell to print the script for').choices(Object.keys(SHELLS)))
    .addHelpText(
      'after',
      `
In ~/.bashrc      source <(fnfleet completion bash)
In ~/.zshrc       source <(fnfleet completion zsh), after compinit
For fish          fnfleet completion fish > ~/.config/fish/completions/fnfleet.fish`,
    )
    .action(async (shell: keyof typeof SHELLS) => {
      process.stdout.write(SHELLS[shell](treeOf(await program())));
    });
}

import { type CommandNode, type OptionNode, type ValueKind, valueKind, walk } from '../reference/command-tree.js';

/** Completion script for fish, with the descriptions of commands and options. */
export function fishCompletion(program: CommandNode): string {
  const { name } = program;
  const places = [...walk(program)].map(({ path, node }) => ({ at: path.map((step) => ` ${step}`).join(''), node }));
  const paths = places.filter(({ at }) => at !== '').map(({ at }) => quoted(at));
  return `# fnfleet: completion for fish. fnfleet completion fish > ~/.config/fish/completions/fnfleet.fish
function __${name}_at
    set -l at ''
    for word in (commandline -opc)[2..]
        switch "$at $word"
            case ${paths.join(' ')}
                set at "$at $word"
        end
    end
    test "$at" = "$argv[1]"
end
${places.flatMap(({ at, node }) => linesOf(name, at, node)).join('\n')}
`;
}

function linesOf(program: string, at: string, { commands, options, arguments: given }: CommandNode): string[] {
  const line = (rest: string) => `complete -c ${program} -n ${quoted(`__${program}_at '${at}'`)} ${rest}`;
  return [
    ...commands.map(({ name, description }) => line(`-f -a ${name} -d ${quoted(description)}`)),
    ...given.flatMap(({ choices, description }) =>
      choices.map((one) => line(`-f -a ${one} -d ${quoted(description)}`)),
    ),
    ...options.map((option) =>
      line(`-l ${option.long.slice(2)}${completionOfValue(option)} -d ${quoted(option.description)}`),
    ),
    line(`-l help -d 'shows help'`),
  ];
}

function completionOfValue(option: OptionNode): string {
  if (option.value === undefined) return '';
  const kinds: Record<ValueKind, string> = {
    choice: ` -x -a ${quoted(option.choices.join(' '))}`,
    folder: " -x -a '(__fish_complete_directories)'",
    file: ' -r -F',
    unknown: ' -x',
  };
  return kinds[valueKind(option)];
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}

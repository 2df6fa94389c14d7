import { type CommandNode, type OptionNode, type ValueKind, valueKind, walk } from '../reference/command-tree.js';

/** Names of commands and options contain no quotes. */
const quoted = (text: string) => `'${text}'`;

/** Completion script for bash. Where it offers nothing, bash completes file names. */
export function bashCompletion(program: CommandNode): string {
  const places = [...walk(program)].map(({ path, node }) => ({ at: path.map((name) => ` ${name}`).join(''), node }));
  const paths = places.filter(({ at }) => at !== '').map(({ at }) => quoted(at));
  const values = places.flatMap(({ at, node }) => node.options.filter(({ value }) => value).map(forValue(at)));
  const words = places.map(({ at, node }) => `    ${quoted(at)}) words=${quoted(wordsOf(node).join(' '))} ;;`);
  return `# fnfleet: completion for bash. source <(fnfleet completion bash)
_${program.name}() {
  local current=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} at='' words='' word
  COMPREPLY=()
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "$at $word" in
    ${paths.join('|')}) at="$at $word" ;;
    esac
  done
  case "$at $before" in
${values.join('\n')}
  esac
  case "$at" in
${words.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _${program.name} ${program.name}
`;
}

function forValue(at: string) {
  return (option: OptionNode) => {
    const reply: Record<ValueKind, string> = {
      choice: `COMPREPLY=($(compgen -W '${option.choices.join(' ')}' -- "$current")); return`,
      folder: 'COMPREPLY=($(compgen -d -- "$current")); return',
      file: 'return',
      unknown: 'compopt +o default 2>/dev/null; return',
    };
    return `    ${quoted(`${at} ${option.long}`)}) ${reply[valueKind(option)]} ;;`;
  };
}

function wordsOf({ commands, options, arguments: given }: CommandNode): string[] {
  const choices = given.flatMap((argument) => argument.choices);
  return [...commands.map(({ name }) => name), ...choices, ...options.map(({ long }) => long), '--help'];
}

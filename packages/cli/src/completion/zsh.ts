import { type CommandNode, type OptionNode, type ValueKind, valueKind, walk } from '../reference/command-tree.js';

/** Completion script for zsh, with the descriptions of commands and options. */
export function zshCompletion(program: CommandNode): string {
  const places = [...walk(program)].map(({ path, node }) => ({ at: path.map((name) => ` ${name}`).join(''), node }));
  const paths = places.filter(({ at }) => at !== '').map(({ at }) => quoted(at));
  const values = places.flatMap(({ at, node }) => node.options.filter(({ value }) => value).map(forValue(at)));
  return `#compdef ${program.name}
# fnfleet: completion for zsh. source <(fnfleet completion zsh), after compinit
_${program.name}() {
  local at='' word
  local -a commands options
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at $word" in
    (${paths.join('|')}) at="$at $word" ;;
    esac
  done
  case "$at \${words[CURRENT-1]}" in
${values.join('\n')}
  esac
  case "$at" in
${places.map(({ at, node }) => forPlace(at, node)).join('\n')}
  esac
  if [[ $PREFIX == -* ]]; then
    _describe -o option options
  elif (( $#commands )); then
    _describe command commands
  else
    _files
  fi
}
compdef _${program.name} ${program.name}
`;
}

function forValue(at: string) {
  return (option: OptionNode) => {
    const offer: Record<ValueKind, string> = {
      choice: `compadd -- ${option.choices.join(' ')}`,
      folder: '_files -/',
      file: '_files',
      unknown: `_message ${quoted(option.value ?? '')}`,
    };
    return `    (${quoted(`${at} ${option.long}`)}) ${offer[valueKind(option)]}; return ;;`;
  };
}

function forPlace(at: string, { commands, options, arguments: given }: CommandNode): string {
  const names = [
    ...commands.map(({ name, description }) => described(name, description)),
    ...given.flatMap(({ choices, description }) => choices.map((choice) => described(choice, description))),
  ];
  const flags = [
    ...options.map(({ long, description }) => described(long, description)),
    described('--help', 'shows help'),
  ];
  return `    (${quoted(at)})
      commands=(${names.join(' ')})
      options=(${flags.join(' ')}) ;;`;
}

/** Formats a completion for zsh, where an unescaped colon ends the name. */
function described(name: string, description: string): string {
  return quoted(`${name.replaceAll(':', '\\:')}:${description}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

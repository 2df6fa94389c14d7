import { COMMANDS, newProgram, SETTINGS_SECTIONS } from 'fnfleet';
import type { MarkdownPage } from '../markdown-page.js';

/** Names that are no settings of a node, and why a page may have them. */
const OTHERS: Readonly<Record<string, string>> = {
  FN_TOKEN: 'read by the fn command line',
  FN_LISTENER: 'what a function is told',
  FN_FORMAT: 'what a function is told',
  FN_MEMORY: 'what a function is told',
  FN_TYPE: 'what a function is told',
  FN_FN_ID: 'what a function is told',
  FN_APP_ID: 'what a function is told',
  FN_REGISTRY_TOKEN: 'an extension of a call',
  FN_HOT_POLL_MSECS: 'of Fn, without effect',
  OTEL_RESOURCE_ATTRIBUTES: 'read by the library of OpenTelemetry',
};
/** On the page for those who come from Fn: settings of Fn that there are none of here. */
const OF_FN: Readonly<Record<string, readonly string[]>> = {
  'docs/moving-from-fn.md': [
    'FN_ASYNC_CHEW_POLL_MSECS',
    'FN_DS_DB_PING_MAX_RETRIES',
    'FN_LOGSTORE_URL',
    'FN_LOG_DEST',
    'FN_LOG_PREFIX',
    'FN_MQ_URL',
    'FN_PROCESS_COLLECTOR_LIST',
  ],
};
/** `FN_TLS_*` and `FN_REPLAY_…` are whole families. */
const NAME = /\b((?:FN|OTEL)_[A-Z0-9_]*[A-Z0-9])(_?[*…])?/g;

/** Every `FN_…` and `OTEL_…` on a page that is neither a setting of a role, by its present or former name, nor one of a command. */
export async function settingProblems(page: MarkdownPage): Promise<string[]> {
  const known = await knownNames();
  const allowed = new Set([...known, ...Object.keys(OTHERS), ...(OF_FN[page.name] ?? [])]);
  return page.text.split('\n').flatMap((text, index) =>
    [...text.matchAll(NAME)].flatMap(([, name = '', family]) => {
      const there = family ? [...allowed].some((other) => other.startsWith(name)) : allowed.has(name);
      return there ? [] : [`${page.name}:${index + 1}: ${name}${family ?? ''}`];
    }),
  );
}

let names: Promise<Set<string>> | undefined;

function knownNames(): Promise<Set<string>> {
  names ??= (async () => {
    const settings = SETTINGS_SECTIONS.flatMap(({ shape }) =>
      Object.values(shape).flatMap(({ name, formerly }) => [name, ...(formerly === undefined ? [] : [formerly])]),
    );
    const program = await newProgram(COMMANDS);
    const ofCommands = program.commands.flatMap((command) => command.options.flatMap(({ envVar }) => envVar ?? []));
    return new Set([...settings, ...settings.map((name) => `${name}_FILE`), ...ofCommands]);
  })();
  return names;
}

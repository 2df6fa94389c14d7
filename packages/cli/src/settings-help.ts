import { SETTINGS_SECTIONS } from '@fnfleet/node/roles';

/** Every setting as text for a terminal; `docs/configuration.md` has the same as tables. */
export function settingsHelp(): string {
  return SETTINGS_SECTIONS.map(({ title, shape }) => {
    const settings = Object.values(shape).map(
      ({ name, expects, defaultText, doc, formerly }) =>
        `  ${name}\n      ${doc}${formerly ? ` Formerly ${formerly}.` : ''}\n      ${expects}; default: ${defaultText}`,
    );
    return [`${title}:`, ...settings, ''].join('\n');
  }).join('\n');
}

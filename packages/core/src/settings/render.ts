import type { SettingsShape } from './declare.js';

export interface SettingsSection {
  readonly title: string;
  readonly intro: string;
  readonly shape: SettingsShape;
}

/** The tables of `docs/configuration.md`. */
export function renderSettings(sections: readonly SettingsSection[]): string {
  return sections
    .map(({ title, intro, shape }) => {
      const rows = Object.values(shape).map(
        ({ name, expects, defaultText, doc, formerly }) =>
          `| \`${name}\` | ${expects} | ${defaultText} | ${doc}${formerly ? ` Formerly \`${formerly}\`.` : ''} |`,
      );
      return [
        `## ${title}`,
        '',
        intro,
        '',
        '| Variable | Value | Default | Meaning |',
        '|---|---|---|---|',
        ...rows,
        '',
      ].join('\n');
    })
    .join('\n');
}

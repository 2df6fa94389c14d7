/**
 * Characters that change the display instead of being displayed: C0 (except tab and line feed), DEL, C1, line and paragraph
 * separators, direction controls and zero-width characters.
 */
const CONTROLS = /(?![\n\t])[\p{Cc}\p{Bidi_Control}\u2028\u2029\u00ad\u200b\u2060\ufeff\ufff9-\ufffb]/gu;

/**
 * Makes external text safe to show: control characters become `\u001b` and the like; tabs and line feeds stay. JSON stays
 * valid JSON with the same content.
 */
export function printable(text: string): string {
  return text.replace(CONTROLS, escaped);
}

/** The same on one line and cut to a length, with an ellipsis at the end. */
export function printableLine(text: string, maxLength = Number.POSITIVE_INFINITY): string {
  const shown = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return printable(shown).replace(/\n/g, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

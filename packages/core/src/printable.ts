/**
 * Characters that change a terminal, a line of a log or how a text reads, rather than being read themselves: C0 (but for tab
 * and line feed), DEL, C1, the separators of lines and paragraphs, what turns the direction of a text, and what has no width.
 */
const CONTROLS = /(?![\n\t])[\p{Cc}\p{Bidi_Control}\u2028\u2029\u00ad\u200b\u2060\ufeff\ufff9-\ufffb]/gu;

/**
 * A text from elsewhere as it can be shown: control characters become `\u001b` and the like, tabs and line feeds stay. What
 * is JSON stays JSON, with the same content.
 */
export function printable(text: string): string {
  return text.replace(CONTROLS, escaped);
}

/** The same on one line, of at most so many characters: what is longer ends in an ellipsis. */
export function printableLine(text: string, maxLength = Number.POSITIVE_INFINITY): string {
  const shown = text.length > maxLength ? `${text.slice(0, maxLength)}…` : text;
  return printable(shown).replace(/\n/g, escaped);
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** What differs from run to run. The page shows one example of it. */
const VARIABLE: readonly [form: RegExp, pattern: string][] = [
  [/^20\d\d-\d\d-\d\dT[\d:.]+Z/, '20\\d\\d-\\d\\d-\\d\\dT[\\d:.]+Z'],
  [/^\w{3}, \d\d \w{3} 20\d\d [\d:]{8} GMT/, '\\w{3}, \\d\\d \\w{3} 20\\d\\d [\\d:]{8} GMT'],
  [/^sha256:[0-9a-f]+/, 'sha256:[0-9a-f]+'],
  // Either runner may have been taken.
  [/^unix:\/\S+?\/runner\d/, 'unix:/[^\\s:;,]+/runner\\d+'],
  // The end of the id of a call, in a line of `fnfleet logs`.
  [/^[0-9A-HJKMNP-TV-Z]{8}(?= (out|err) )/, '[0-9A-HJKMNP-TV-Z]{8}'],
  [/^[+-]?\d+(\.\d+)? (ms|s|KiB|MiB|GiB)\b/, '[+-]?\\d+(?:\\.\\d+)? (?:ms|s|KiB|MiB|GiB)'],
  [/^\d+(\.\d+)?ms\b/, '\\d+(?:\\.\\d+)?ms'],
  [/^\d+\.\d+\.\d+/, '\\d+\\.\\d+\\.\\d+'],
  [/^\d+\.\d+/, '\\d+(?:\\.\\d+)?'],
];
const ID = /^01[0-9A-HJKMNP-TV-Z]{24}/;
const GAP = '…';

/** What each id on a page is called in this run: the page shows the ids of another. */
export type Ids = Map<string, string>;

/**
 * Compares what a command printed with what the page shows. `…` stands for anything within a line, and alone in a line for any
 * number of lines. Dates, durations, sizes, addresses of runners and the width of columns may differ. So may an id, but it is then
 * the same wherever the page shows it; `ids` learns it.
 * @returns the first line that is not there, or undefined
 */
export function missingFrom(printed: string, shown: readonly string[], ids: Ids): string | undefined {
  const lines = printed.split('\n').map((line) => line.trimEnd());
  const learnt: Ids = new Map(ids);
  let at = 0;
  let anywhere = false;
  for (const wanted of trimmed(shown)) {
    if (wanted.trim() === GAP) {
      anywhere = true;
      continue;
    }
    const found = lines.findIndex(
      (line, index) => index >= at && (anywhere || index === at) && learn(line, wanted, learnt),
    );
    if (found < 0) return wanted;
    at = found + 1;
    anywhere = false;
  }
  if (!anywhere && lines.slice(at).some((line) => line !== '')) return `nothing after that, but there is: ${lines[at]}`;
  for (const [shownId, id] of learnt) ids.set(shownId, id);
  return undefined;
}

/** With the ids of this run in place of those of the page. */
export function withIds(text: string, ids: Ids): string {
  let result = text;
  for (const [shown, id] of ids) result = result.replaceAll(shown, id);
  return result;
}

function learn(line: string, wanted: string, ids: Ids): boolean {
  const { pattern, names } = patternOf(wanted, ids);
  const found = pattern.exec(line);
  if (found === null) return false;
  for (const [index, name] of names.entries()) ids.set(name, found[index + 1] ?? '');
  return true;
}

function patternOf(wanted: string, ids: Ids): { pattern: RegExp; names: string[] } {
  const names: string[] = [];
  let pattern = '';
  for (let rest = wanted.trimEnd(); rest !== ''; ) {
    const [taken, part] = next(
      rest,
      pattern === '' || /\W$/.test(wanted.slice(0, wanted.length - rest.length)),
      ids,
      names,
    );
    pattern += part;
    rest = rest.slice(taken);
  }
  return { pattern: new RegExp(`^${pattern}$`), names };
}

/** The beginning of the rest: how long it is, and its pattern. */
function next(rest: string, atWord: boolean, ids: Ids, names: string[]): [number, string] {
  const [id] = ID.exec(rest) ?? [];
  if (id !== undefined) {
    const known = ids.get(id);
    if (known !== undefined) return [id.length, known];
    if (names.includes(id)) return [id.length, `\\${names.indexOf(id) + 1}`];
    names.push(id);
    return [id.length, '(01[0-9A-HJKMNP-TV-Z]{24})'];
  }
  for (const [form, pattern] of atWord ? VARIABLE : []) {
    const [found] = form.exec(rest) ?? [];
    if (found !== undefined) return [found.length, pattern];
  }
  if (rest.startsWith(GAP)) return [1, '.*?'];
  const [blank] = /^\s+/.exec(rest) ?? [];
  if (blank !== undefined) return [blank.length, '\\s+'];
  return [1, rest.charAt(0).replace(/[\\^$.*+?()[\]{}|/-]/, '\\$&')];
}

function trimmed(lines: readonly string[]): readonly string[] {
  const from = lines.findIndex((line) => line.trim() !== '');
  const to = lines.findLastIndex((line) => line.trim() !== '');
  return from < 0 ? [] : lines.slice(from, to + 1);
}

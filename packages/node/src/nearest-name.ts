import leven from 'leven';

/** Maximum characters of a name that are compared: names in files and environments may have any length. */
const MAX_LENGTH = 100;

/** Names with more edits than this count as unrelated, whatever their length. */
const MOST_EDITS = 3;

/**
 * The known name that a mistyped one probably meant: the one with the fewest edits, if those are few for its length.
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  const written = name.slice(0, MAX_LENGTH).toLowerCase();
  let nearest: string | undefined;
  let fewest = Math.min(MOST_EDITS, Math.max(1, Math.floor(written.length / 3)));
  for (const candidate of known) {
    // The difference in length alone exceeds the limit.
    if (Math.abs(candidate.length - written.length) > fewest) continue;
    const edits = leven(written, candidate.toLowerCase());
    if (edits < fewest || (edits === fewest && nearest === undefined)) [nearest, fewest] = [candidate, edits];
  }
  return nearest;
}

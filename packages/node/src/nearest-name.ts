import leven from 'leven';

/** Characters of a name that are compared: names come from files and environments of any length. */
const MAX_LENGTH = 100;

/** Beyond so many edits it is another word, however long it is. */
const MOST_EDITS = 3;

/**
 * What a mistyped name may have meant: the known name with the fewest edits between the two, if they are few for its length.
 */
export function nearestName(name: string, known: Iterable<string>): string | undefined {
  const written = name.slice(0, MAX_LENGTH).toLowerCase();
  let nearest: string | undefined;
  let fewest = Math.min(MOST_EDITS, Math.max(1, Math.floor(written.length / 3)));
  for (const candidate of known) {
    // The length alone says that it is too far away.
    if (Math.abs(candidate.length - written.length) > fewest) continue;
    const edits = leven(written, candidate.toLowerCase());
    if (edits < fewest || (edits === fewest && nearest === undefined)) [nearest, fewest] = [candidate, edits];
  }
  return nearest;
}

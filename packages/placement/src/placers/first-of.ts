/** The first `count` items. Reads no more than that. */
export function firstOf<T>(items: Iterable<T>, limit: number): T[] {
  const first: T[] = [];
  for (const item of items) {
    first.push(item);
    if (first.length === limit) break;
  }
  return first;
}

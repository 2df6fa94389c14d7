/** Every item once, starting at `start` and wrapping around. */
export function* rotate<T>(items: readonly T[], start: number): Generator<T> {
  for (let i = 0; i < items.length; i += 1) yield items[(start + i) % items.length] as T;
}

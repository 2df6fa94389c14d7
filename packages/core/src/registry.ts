import { SettingsError } from './settings/read.js';

/** Named choices of one kind, in the order in which documentation lists them. */
export class Registry<T extends { readonly name: string }> {
  private readonly byName: ReadonlyMap<string, T>;

  /**
   * @param setting the variable that selects an entry
   * @param kind what an entry is, for the message about an unknown name
   */
  constructor(
    private readonly setting: string,
    private readonly kind: string,
    readonly entries: readonly T[],
  ) {
    this.byName = new Map(entries.map((entry) => [entry.name, entry]));
  }

  /** Returns a registry with more entries. An entry with an existing name replaces it. */
  with(...entries: readonly T[]): Registry<T> {
    const added = new Map(entries.map((entry) => [entry.name, entry]));
    const kept = this.entries.filter(({ name }) => !added.has(name));
    return new Registry(this.setting, this.kind, [...kept, ...added.values()]);
  }

  get names(): readonly string[] {
    return [...this.byName.keys()];
  }

  /** @throws SettingsError that lists the valid names */
  get(name: string): T {
    const found = this.byName.get(name);
    if (found !== undefined) return found;
    throw new SettingsError([
      `${this.setting}: unknown ${this.kind} ${JSON.stringify(name)}; known: ${this.names.join(', ')}`,
    ]);
  }
}

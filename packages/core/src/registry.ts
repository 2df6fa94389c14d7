import { SettingsError } from './settings/read.js';

/** Named choices of one kind, in the order in which a reader of the menu should see them. */
export class Registry<T extends { readonly name: string }> {
  private readonly entries: ReadonlyMap<string, T>;

  /**
   * @param setting the variable that selects an entry
   * @param kind what an entry is, for the message about an unknown one
   */
  constructor(
    private readonly setting: string,
    private readonly kind: string,
    entries: readonly T[],
  ) {
    this.entries = new Map(entries.map((entry) => [entry.name, entry]));
  }

  get names(): readonly string[] {
    return [...this.entries.keys()];
  }

  /** @throws SettingsError that names what would have been right */
  get(name: string): T {
    const found = this.entries.get(name);
    if (found !== undefined) return found;
    throw new SettingsError([
      `${this.setting}: unknown ${this.kind} ${JSON.stringify(name)}; known: ${this.names.join(', ')}`,
    ]);
  }
}

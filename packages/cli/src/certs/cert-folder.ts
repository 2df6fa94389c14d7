import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** File names of the CA of the fleet, and of its successor during a rotation. */
export const CA = 'ca';
export const NEXT_CA = 'next-ca';

const OWNER_ONLY = 0o600;
const ANYBODY_ELSE = 0o077;

/**
 * The folder with the certificates and keys of a fleet: `<name>.crt` and `<name>.key`, PEM. Files are replaced by a
 * rename, so that a role finds either the old or the new one, and only their owner may read them.
 */
export class CertFolder {
  constructor(readonly path: string) {}

  file(name: string, kind: 'crt' | 'key'): string {
    return path.join(this.path, `${name}.${kind}`);
  }

  /** @throws Error when the folder does not exist: its name may be mistyped */
  assertThere(): void {
    const stats = statSync(this.path, { throwIfNoEntry: false });
    if (stats?.isDirectory()) return;
    if (stats !== undefined) throw new Error(`${this.path} is not a folder`);
    throw new Error(
      `there is no folder ${this.path}: name another with --dir, or create one with \`fnfleet certs fleet\``,
    );
  }

  /** Names of all certificates except those of the CA. */
  names(): string[] {
    const files = this.attempt(() => readdirSync(this.path)) ?? [];
    const names = files.filter((file) => file.endsWith('.crt')).map((file) => file.slice(0, -'.crt'.length));
    return names.filter((name) => name !== CA && name !== NEXT_CA).sort();
  }

  /** @returns undefined if there is none */
  readCertificate(name: string): string | undefined {
    return this.attempt(() => readFileSync(this.file(name, 'crt'), 'utf8'));
  }

  /**
   * @returns undefined if there is none
   * @throws Error when others may read it as well
   */
  readKey(name: string): string | undefined {
    const file = this.file(name, 'key');
    const mode = this.attempt(() => statSync(file).mode);
    if (mode === undefined) return undefined;
    if ((mode & ANYBODY_ELSE) !== 0) {
      const shown = (mode & 0o777).toString(8);
      throw new Error(
        `${file} may be read by others (mode ${shown}): chmod 600 ${file}, and make new keys if anybody did`,
      );
    }
    return readFileSync(file, 'utf8');
  }

  write(name: string, kind: 'crt' | 'key', text: string): void {
    mkdirSync(this.path, { recursive: true, mode: 0o700 });
    const file = this.file(name, kind);
    const draft = `${file}.${process.pid}.new`;
    try {
      writeFileSync(draft, text, { mode: OWNER_ONLY, flush: true });
      renameSync(draft, file);
    } finally {
      rmSync(draft, { force: true });
    }
  }

  remove(name: string): void {
    for (const kind of ['crt', 'key'] as const) rmSync(this.file(name, kind), { force: true });
  }

  private attempt<T>(act: () => T): T | undefined {
    try {
      return act();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

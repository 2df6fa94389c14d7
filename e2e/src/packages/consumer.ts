import { copyFileSync, cpSync, globSync, linkSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Footprint } from '../harness/footprint.js';
import { ROOT } from '../harness/paths.js';
import { run } from '../harness/run.js';

interface LockedPackage {
  readonly dev?: boolean;
  readonly optional?: boolean;
  readonly link?: boolean;
}

const LIMIT_MS = 120_000;

/** The published packages: `at` is the folder relative to the repository. */
export const PACKAGES = globSync('packages/*/package.json', { cwd: ROOT })
  .map((file) => ({ at: path.dirname(file), manifest: JSON.parse(readFileSync(path.join(ROOT, file), 'utf8')) }))
  .filter(({ manifest }) => !manifest.private)
  .sort((a, b) => (a.at < b.at ? -1 : 1));

/** A project outside of the repository that installs the packages from their archives. */
export class Consumer {
  readonly footprint = new Footprint();
  readonly folder = path.join(this.footprint.folder, 'project');

  constructor() {
    mkdirSync(this.folder);
  }

  /**
   * Packs all packages and installs the archives. Their dependencies are linked from this repository beforehand. npm runs offline and
   * fails if one is missing, so the test needs no registry, and new releases of dependencies cannot change its result.
   */
  async install(): Promise<void> {
    const archives = await this.pack();
    for (const [from, to] of dependenciesOfOurs()) linkFiles(path.join(ROOT, from), path.join(this.folder, to));
    this.write('package.json', JSON.stringify({ private: true, dependencies: archives }));
    await this.run('npm', ['install', '--offline', '--ignore-scripts', '--no-audit', '--no-fund']);
  }

  /**
   * Runs a program in the folder. Resolves with what it printed on standard output.
   * @throws Error with all that it printed, unless it ends with code 0
   */
  async run(program: string, args: readonly string[], cwd = this.folder): Promise<string> {
    const { stdout } = await run(program, args, { cwd, env: this.env, timeoutMs: LIMIT_MS });
    return stdout;
  }

  /** Runs a script of the folder with the Node that runs the tests. */
  node(...args: readonly string[]): Promise<string> {
    return this.run(process.execPath, args);
  }

  write(name: string, text: string): void {
    writeFileSync(path.join(this.folder, name), text);
  }

  /** Copies a file or a folder of the repository. */
  copy(name: string, to: string): void {
    cpSync(path.join(ROOT, name), path.join(this.folder, to), { recursive: true });
  }

  /** Reads a file of an installed package. */
  read(name: string, file: string): string {
    return readFileSync(path.join(this.folder, 'node_modules', name, file), 'utf8');
  }

  /** The environment without settings of fnfleet, npm and jest, and with the Node that runs the tests. */
  get env(): Record<string, string> {
    const kept = Object.entries(process.env).filter(([name]) => !/^(FN_|OTEL_|NODE_|npm_|JEST_)/.test(name));
    return Object.fromEntries([
      ...kept.map(([name, value]) => [name, value ?? '']),
      ['NODE_DISABLE_COMPILE_CACHE', '1'],
      ['PATH', `${path.dirname(process.execPath)}:${process.env.PATH}`],
      ...Object.entries(this.footprint.env),
    ]);
  }

  /** @returns the archive of each package by name, as a dependency in a manifest */
  private async pack(): Promise<Record<string, string>> {
    const folder = path.join(this.footprint.folder, 'archives');
    await this.run(process.execPath, ['scripts/packages.mjs', folder], ROOT);
    const archives = PACKAGES.map(({ manifest: { name, version } }) => {
      const base = name.replace('@', '').replace('/', '-');
      return [name, `file:${path.join(folder, `${base}-${version}.tgz`)}`];
    });
    return Object.fromEntries(archives);
  }
}

/** Production dependencies: where this repository has them, and where npm installs them in a consumer. */
function dependenciesOfOurs(): [from: string, to: string][] {
  const lockfile: { packages: Readonly<Record<string, LockedPackage>> } = JSON.parse(
    readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8'),
  );
  return Object.entries(lockfile.packages)
    .filter(([, { link, dev, optional }]) => !link && !dev && !optional)
    .flatMap(([place]): [string, string][] => {
      if (place.startsWith('node_modules/')) return isBelowAnother(place) ? [] : [[place, place]];
      const owner = PACKAGES.find(({ at }) => place.startsWith(`${at}/node_modules/`));
      return owner ? [[place, `node_modules/${owner.manifest.name}${place.slice(owner.at.length)}`]] : [];
    });
}

/** Linked together with the package that contains it. */
function isBelowAnother(place: string): boolean {
  return place.lastIndexOf('node_modules/') > 0;
}

/** Hard links the files of a folder, since a copy of these 9 000 files takes most of the time of the test. npm does not write to them. */
function linkFiles(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [path.join(from, entry.name), path.join(to, entry.name)];
    if (entry.isDirectory()) linkFiles(source, target);
    else if (entry.isFile()) linkOrCopy(source, target);
  }
}

/** Hard links cannot cross file systems. */
function linkOrCopy(source: string, target: string): void {
  try {
    linkSync(source, target);
  } catch {
    copyFileSync(source, target);
  }
}

import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { printableLine } from '@fnfleet/core';
import { Document, Scalar, visit } from 'yaml';
import type { AppState, TriggerState } from './desired-state.js';
import { APP_FILE, checkMarker, FORMAT, FUNCTIONS, MARKER, resourceFiles } from './folder-layout.js';

/** Longer file names are cut: most file systems allow 255 bytes. */
const MAX_FILE_NAME = 200;
/** Configuration may hold secrets. */
const OWNER_ONLY = { file: 0o600, folder: 0o700 } as const;

export type FileFormat = 'yaml' | 'json';

/**
 * Writes apps into a folder. Files of an earlier export whose resources no longer exist are removed at the end; other
 * files stay. Each file is replaced as a whole.
 * @throws Error when the folder has other content but is not an export, or cannot be written
 */
export class FolderWriter {
  private readonly written = new Set<string>();
  /** The marker and its draft have these names. */
  private readonly folders = new Set<string>([MARKER, `${MARKER}.new`]);

  constructor(
    private readonly root: string,
    private readonly format: FileFormat,
  ) {
    mkdirSync(root, { recursive: true, mode: OWNER_ONLY.folder });
    if (readdirSync(root).some((name) => name !== '.git') && !existsSync(path.join(root, MARKER))) {
      throw new Error(`the folder ${root} is not empty and is no earlier export (it has no ${MARKER})`);
    }
    if (existsSync(path.join(root, MARKER))) checkMarker(root);
    this.replace(MARKER, `format: ${FORMAT}\n`);
  }

  app(app: AppState): void {
    const folder = unused(fileNameOf(app.name), this.folders);
    this.write(path.join(folder, APP_FILE), {
      name: app.name,
      shape: app.shape || undefined,
      syslog_url: app.syslogUrl || undefined,
      config: unlessEmpty(app.config),
      annotations: unlessEmpty(app.annotations),
    });
    const files = new Set<string>();
    for (const fn of app.functions) {
      this.write(path.join(folder, FUNCTIONS, unused(fileNameOf(fn.name), files)), {
        name: fn.name,
        image: fn.image,
        memory: fn.memory,
        timeout: fn.timeout,
        idle_timeout: fn.idleTimeout,
        config: unlessEmpty(fn.config),
        annotations: unlessEmpty(fn.annotations),
        triggers: fn.triggers.length === 0 ? undefined : fn.triggers.map(triggerFields),
      });
    }
  }

  /**
   * Removes the files of resources that no longer exist: of all apps, or of those written.
   * @returns their paths
   */
  finish(scope: 'all' | 'written apps'): readonly string[] {
    const stale = resourceFiles(this.root)
      .filter(({ folder }) => scope === 'all' || this.folders.has(folder.toLowerCase()))
      .flatMap(({ app, functions }) => [...app, ...functions])
      .filter((file) => !this.written.has(file));
    for (const file of stale) {
      rmSync(path.join(this.root, file));
      for (let above = path.dirname(file); above !== '.'; above = path.dirname(above)) {
        if (readdirSync(path.join(this.root, above)).length > 0) break;
        rmdirSync(path.join(this.root, above));
      }
    }
    return stale;
  }

  private write(name: string, fields: object): void {
    this.replace(
      `${name}.${this.format}`,
      this.format === 'json' ? `${JSON.stringify(fields, null, 2)}\n` : yamlOf(fields),
    );
  }

  private replace(file: string, text: string): void {
    const target = path.join(this.root, file);
    mkdirSync(path.dirname(target), { recursive: true, mode: OWNER_ONLY.folder });
    this.refuseLinks(file);
    const draft = `${target}.new`;
    rmSync(draft, { force: true });
    writeFileSync(draft, text, { mode: OWNER_ONLY.file, flag: 'wx' });
    renameSync(draft, target);
    this.written.add(file);
  }

  /** The folder may belong to somebody else, who must not decide where else the files go. */
  private refuseLinks(file: string): void {
    for (let above = path.dirname(file); above !== '.'; above = path.dirname(above)) {
      if (!lstatSync(path.join(this.root, above)).isSymbolicLink()) continue;
      throw new Error(`${path.join(this.root, above)} is a link; an export writes only into its own folder`);
    }
  }
}

function triggerFields({ name, type, source, annotations }: TriggerState): object {
  return { name, type: type === 'http' ? undefined : type, source, annotations: unlessEmpty(annotations) };
}

function yamlOf(fields: object): string {
  const document = new Document(JSON.parse(JSON.stringify(fields)), {
    version: '1.1',
    // The tag of merge keys writes `<<` without quotes.
    customTags: (tags) => tags.filter((tag) => typeof tag === 'string' || tag.tag !== 'tag:yaml.org,2002:merge'),
    aliasDuplicateObjects: false,
  });
  // Escapes keep what UTF-8 and the line ends of an editor would change; in quotes, `<<` does not merge.
  visit(document, {
    Scalar: (_key, node) => {
      if (typeof node.value === 'string' && !isPlain(node.value)) node.type = Scalar.QUOTE_DOUBLE;
    },
  });
  return document.toString({ lineWidth: 0, directives: false });
}

function isPlain(text: string): boolean {
  return text !== '<<' && text.isWellFormed() && printableLine(text) === text;
}

/** Names that Windows reserves for devices, whatever follows a dot. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** A file name that every file system accepts and that people recognise. */
function fileNameOf(name: string): string {
  const safe = encodeURIComponent(name.toWellFormed())
    .replace(/^\.|\.$/g, '%2E')
    .replaceAll('*', '%2A');
  const plain = DEVICE.test(safe) ? `%${safe.charCodeAt(0).toString(16).toUpperCase()}${safe.slice(1)}` : safe;
  return plain.slice(0, MAX_FILE_NAME) || '%';
}

/** Some file systems do not distinguish capitals. */
function unused(name: string, taken: Set<string>): string {
  let candidate = name;
  for (let number = 2; taken.has(candidate.toLowerCase()); number += 1) candidate = `${name}-${number}`;
  taken.add(candidate.toLowerCase());
  return candidate;
}

function unlessEmpty<T extends object>(map: T): T | undefined {
  return Object.keys(map).length === 0 ? undefined : map;
}

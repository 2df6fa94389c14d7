import path from 'node:path';
import { DEFAULT_LIMITS, printableLine, SCHEDULE_TYPE } from '@fnfleet/core';
import type { Annotations, Config, TriggerType } from '../api-client.js';
import { type Entry, YamlDocument } from '../func-file/yaml-document.js';
import type { AppState, FnState, TriggerState } from './desired-state.js';
import { APP_FILE, type AppFiles, checkMarker, resourceFiles, textOf } from './folder-layout.js';

const TYPES: readonly TriggerType[] = ['http', SCHEDULE_TYPE];
/** Maximum number of values in a file. */
const MAX_VALUES = 100_000;

/** A resource as read, with its file for messages. */
export interface Located<T> {
  readonly file: string;
  readonly value: T;
}

/** An app as read from a folder. */
export interface LocatedApp extends Located<Omit<AppState, 'functions'>> {
  readonly functions: readonly Located<FnState>[];
}

/**
 * Reads all apps of a folder.
 * @throws Error that names file, line and key; for an unknown key, too, because a mistyped one would remove something
 */
export function readFolder(root: string): LocatedApp[] {
  checkMarker(root);
  const apps = resourceFiles(root).flatMap((files) => readApp(root, files));
  refuseTwins(apps, 'app');
  return apps;
}

function readApp(root: string, { app: [file, another], functions: functionFiles, folder }: AppFiles): LocatedApp[] {
  if (another !== undefined) throw new Error(`${path.join(root, folder)} has two files of an app: ${file}, ${another}`);
  if (file === undefined) {
    const [lost] = functionFiles;
    if (lost === undefined) return [];
    throw new Error(`${path.join(root, lost)} belongs to no app: ${path.join(root, folder)} has no ${APP_FILE}.yaml`);
  }
  const reader = new FieldReader(path.join(root, file));
  const value = {
    name: reader.required('name'),
    shape: reader.text('shape') ?? '',
    syslogUrl: reader.text('syslog_url') ?? '',
    config: reader.config('config'),
    annotations: reader.annotations('annotations'),
  };
  reader.refuseOthers();
  const functions = functionFiles.map((other) => readFn(path.join(root, other)));
  refuseTwins(functions, 'function');
  refuseSharedSources(functions);
  return [{ file: reader.file, value, functions }];
}

function readFn(file: string): Located<FnState> {
  const reader = new FieldReader(file);
  const value = {
    name: reader.required('name'),
    image: reader.required('image'),
    memory: reader.limit('memory', DEFAULT_LIMITS.memory),
    timeout: reader.limit('timeout', DEFAULT_LIMITS.timeout),
    idleTimeout: reader.limit('idle_timeout', DEFAULT_LIMITS.idle_timeout),
    config: reader.config('config'),
    annotations: reader.annotations('annotations'),
    triggers: reader.list('triggers').map(readTrigger),
  };
  reader.refuseOthers();
  return { file, value };
}

function readTrigger(reader: FieldReader): TriggerState {
  const given = reader.text('type') ?? 'http';
  const type = TYPES.find((known) => known === given);
  if (type === undefined) throw reader.problem('type', `expected http or schedule, got ${shown(given)}`);
  const trigger = {
    type,
    name: reader.required('name'),
    source: reader.required('source'),
    annotations: reader.annotations('annotations'),
  };
  reader.refuseOthers();
  return trigger;
}

/** Reads the fields of one map, and knows which of them were read. */
class FieldReader {
  private readonly document: YamlDocument;
  private readonly entry: Entry;
  private readonly fields: Map<string, Entry>;
  private readonly read = new Set<string>();

  constructor(
    readonly file: string,
    within?: { readonly document: YamlDocument; readonly entry: Entry },
  ) {
    this.document = within?.document ?? new YamlDocument(file, textOf(file), { maxValues: MAX_VALUES });
    if (this.document.hasMore) throw new Error(`${file}: expected one document, got several`);
    this.entry = within?.entry ?? this.document.top;
    this.fields = this.document.map(this.entry);
  }

  text(key: string): string | undefined {
    const entry = this.field(key);
    return entry && this.document.text(entry);
  }

  required(key: string): string {
    const text = this.text(key);
    if (text) return text;
    throw this.problem(key, `expected a ${key}`);
  }

  /** 0 means the default, as in the API. */
  limit(key: string, byDefault: number): number {
    const entry = this.field(key);
    return (entry && this.document.whole(entry)) || byDefault;
  }

  config(key: string): Config {
    const entries = this.entries(key, (value) => this.document.text(value) ?? '');
    return Object.fromEntries(entries);
  }

  annotations(key: string): Annotations {
    return Object.fromEntries(this.entries(key, (value) => this.document.json(value)));
  }

  list(key: string): FieldReader[] {
    const entry = this.field(key);
    if (entry === undefined) return [];
    return this.document
      .list(entry)
      .map((item) => new FieldReader(this.file, { document: this.document, entry: item }));
  }

  problem(key: string, message: string): Error {
    return this.document.problem(this.fields.get(key) ?? this.entry, message);
  }

  refuseOthers(): void {
    for (const entry of this.fields.values()) {
      if (this.read.has(entry.key)) continue;
      throw this.document.problem(entry, `unknown key; known: ${[...this.read].join(', ')}`);
    }
  }

  private entries<V>(key: string, read: (value: Entry) => V): [key: string, value: V][] {
    const entry = this.field(key);
    return entry === undefined ? [] : [...this.document.map(entry)].map(([name, value]) => [name, read(value)]);
  }

  private field(key: string): Entry | undefined {
    this.read.add(key);
    return this.fields.get(key);
  }
}

function refuseTwins(items: readonly Located<{ readonly name: string }>[], kind: string): void {
  const files = new Map<string, string>();
  for (const { file, value } of items) {
    const other = files.get(value.name);
    if (other !== undefined) throw new Error(`${file}: ${kind} ${shown(value.name)} is also in ${other}`);
    files.set(value.name, file);
  }
}

function refuseSharedSources(functions: readonly Located<FnState>[]): void {
  const holders = new Map<string, string>();
  for (const { file, value } of functions) {
    const names = new Set<string>();
    for (const { name, type, source } of value.triggers) {
      if (names.has(name)) throw new Error(`${file}: two triggers have the name ${shown(name)}`);
      names.add(name);
      if (type === SCHEDULE_TYPE) continue;
      const other = holders.get(source);
      if (other !== undefined) {
        throw new Error(`${file}: the source ${shown(source)} of trigger ${shown(name)} is also that of ${other}`);
      }
      holders.set(source, `trigger ${shown(name)} in ${file}`);
    }
  }
}

function shown(text: string): string {
  return JSON.stringify(printableLine(text, 100));
}

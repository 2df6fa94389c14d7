import { existsSync } from 'node:fs';
import path from 'node:path';
import {
  ASYNC_ANNOTATION,
  CALLBACKS_ANNOTATION,
  IDEMPOTENT_ANNOTATION,
  INVOKE_TYPE_ANNOTATION,
  printableLine,
  readSmallFileSync,
  SCHEDULE_ANNOTATION,
  SCHEDULE_TYPE,
  STANDBY_ANNOTATION,
} from '@fnfleet/core';
import { nearestName } from '@fnfleet/node';
import type { FnSpec, TriggerSpec } from '../api-client.js';
import { type Entry, hasAnchor, MAX_FILE_BYTES, YamlDocument } from './yaml-document.js';

/** In the order in which `fn` looks for them. JSON is read as YAML, which includes it. */
const FILES = ['func.yaml', 'func.yml', 'func.json'] as const;
const SCHEMA_VERSION = '20180708';
/** The prefix of annotations that have an effect here. */
const OURS = 'fnfleet/';
const FN_ANNOTATIONS: ReadonlySet<string> = new Set([
  ...[STANDBY_ANNOTATION, IDEMPOTENT_ANNOTATION, ASYNC_ANNOTATION, CALLBACKS_ANNOTATION],
]);
const HTTP_ANNOTATIONS: ReadonlySet<string> = new Set([INVOKE_TYPE_ANNOTATION]);
const SCHEDULE_ANNOTATIONS: ReadonlySet<string> = new Set([SCHEDULE_ANNOTATION]);
/** Maximum number of notes about keys without effect. */
const MAX_NOTES = 20;

/** How to build the image of a folder without a Dockerfile; the fields mean the same as for `fn`. */
export interface BuildSpec {
  readonly runtime: string | undefined;
  readonly buildImage: string | undefined;
  readonly runImage: string | undefined;
  readonly entrypoint: string | undefined;
  readonly cmd: string | undefined;
}

export interface FuncFile {
  readonly spec: FnSpec;
  readonly build: BuildSpec;
  /** Whether the file names the image itself. */
  readonly namesImage: boolean;
  readonly triggers: readonly TriggerSpec[];
  /** Notes about keys without effect, one line each. */
  readonly notes: readonly string[];
}

export interface FuncFileOptions {
  /** Prefix of image names that are made of the function's name: an owner, a registry, or both (FN_REGISTRY). */
  readonly registry?: string | undefined;
}

/**
 * Reads the func.yaml, func.yml or func.json of a folder. Without an `image` the image is
 * `<registry>/<name>:<version>`, as the `fn` command line names what it builds; the name defaults to that of the
 * folder.
 *
 * @throws Error that names file, line and key
 */
export function readFuncFile(dir: string, { registry }: FuncFileOptions = {}): FuncFile {
  const [file, ...others] = filesIn(dir);
  const document = new YamlDocument(file, readFile(file));
  const fields = document.map(document.top);
  const texts = (name: string) => textOf(document, fields.get(name));
  const name = nameOf(document, fields.get('name')) ?? path.basename(path.resolve(dir));
  const spec: FnSpec = {
    name,
    image: texts('image') ?? imageOf(name, texts('version'), registry),
    memory: wholeOf(document, fields.get('memory')),
    timeout: wholeOf(document, fields.get('timeout')),
    idle_timeout: wholeOf(document, fields.get('idle_timeout')),
    config: configOf(document, fields.get('config')),
    annotations: annotationsOf(document, fields.get('annotations')),
  };
  const build: BuildSpec = {
    runtime: texts('runtime'),
    buildImage: texts('build_image'),
    runImage: texts('run_image'),
    entrypoint: texts('entrypoint'),
    cmd: texts('cmd'),
  };
  const namesImage = texts('image') !== undefined;
  const notes = [
    ...others.map((other) => `${other} is ignored, because ${file} exists`),
    ...(document.hasMore ? [`${file}: documents after the first one are ignored`] : []),
    ...schemaNotes(document, fields.get('schema_version')),
    ...unusedNotes(document, fields, FIELDS),
    ...annotationNotes(document, fields.get('annotations'), FN_ANNOTATIONS),
  ];
  const triggers = triggersOf(document, fields.get('triggers'), notes);
  const beyond = notes.length - MAX_NOTES;
  const shownNotes = beyond > 0 ? [...notes.slice(0, MAX_NOTES), `… and ${beyond} more`] : notes;
  return { spec, build, namesImage, triggers, notes: shownNotes };
}

function filesIn(dir: string): [string, ...string[]] {
  const [file, ...others] = FILES.map((name) => path.join(dir, name)).filter((candidate) => existsSync(candidate));
  if (file !== undefined) return [file, ...others];
  throw new Error(`cannot read ${path.join(dir, FILES[0])}: it does not exist, nor does func.yml or func.json`);
}

function readFile(file: string): string {
  try {
    return readSmallFileSync(file, MAX_FILE_BYTES);
  } catch (error) {
    throw new Error(`cannot read ${file}: ${(error as Error).message}`);
  }
}

function nameOf(document: YamlDocument, entry: Entry | undefined): string | undefined {
  const name = textOf(document, entry);
  if (entry === undefined || name === undefined || !name.includes('/')) return name;
  const [last, shown] = [name.slice(name.lastIndexOf('/') + 1), printableLine(name, 100)];
  throw document.problem(
    entry,
    `a function's name has no slash, got ${JSON.stringify(shown)}: write \`name: ${printableLine(last, 100)}\`, and name the registry with FN_REGISTRY or \`image\``,
  );
}

function imageOf(name: string, version: string | undefined, registry = ''): string {
  const prefix = registry === '' || registry.endsWith('/') ? registry : `${registry}/`;
  return `${prefix}${name}${version === undefined ? '' : `:${version}`}`;
}

/** @returns undefined if the value is missing or empty */
function textOf(document: YamlDocument, entry: Entry | undefined): string | undefined {
  return (entry && document.text(entry)) || undefined;
}

function wholeOf(document: YamlDocument, entry: Entry | undefined): number | undefined {
  const value = entry && document.whole(entry);
  if (entry !== undefined && value !== undefined && value < 0) {
    throw document.problem(entry, `expected a whole number of at least 0, got ${value}`);
  }
  return value;
}

function configOf(document: YamlDocument, entry: Entry | undefined): FnSpec['config'] {
  if (entry === undefined) return undefined;
  const values = [...document.map(entry)].map(([key, value]) => [key, document.text(value) ?? '']);
  return values.length === 0 ? undefined : Object.fromEntries(values);
}

function annotationsOf(document: YamlDocument, entry: Entry | undefined): FnSpec['annotations'] {
  if (entry === undefined) return undefined;
  const values = [...document.map(entry)].map(([key, value]) => [key, document.json(value)]);
  return values.length === 0 ? undefined : Object.fromEntries(values);
}

/** @param notes receives notes about keys without effect */
function triggersOf(document: YamlDocument, entry: Entry | undefined, notes: string[]): TriggerSpec[] {
  if (entry === undefined) return [];
  const names = new Set<string>();
  const sources = new Set<string>();
  return document.list(entry).map((item) => {
    const fields = document.map(item);
    notes.push(...unusedNotes(document, fields, TRIGGER_FIELDS));
    const options = fields.get('schedule');
    const annotations = annotationsOf(document, fields.get('annotations'));
    const field = (name: string) => fields.get(name) ?? { ...item, node: undefined };
    const [name, type, source = ''] = ['name', 'type', 'source'].map((key) => textOf(document, fields.get(key)));
    if (name === undefined) throw document.problem(field('name'), 'expected a trigger with a name');
    const isSchedule = type === SCHEDULE_TYPE;
    if (!isSchedule && (type ?? 'http') !== 'http') {
      throw document.problem(field('type'), `expected http or schedule, got ${shown(type)}`);
    }
    if (isSchedule ? source === '' : !source.startsWith('/')) {
      const wanted = isSchedule ? 'cron expression such as "0 3 * * *"' : 'path that begins with a slash';
      throw document.problem(field('source'), `expected a source, a ${wanted}, got ${shown(source || undefined)}`);
    }
    if (names.has(name)) throw document.problem(field('name'), `two triggers have the name ${shown(name)}`);
    names.add(name);
    const known = isSchedule ? SCHEDULE_ANNOTATIONS : HTTP_ANNOTATIONS;
    notes.push(...annotationNotes(document, fields.get('annotations'), known));
    if (isSchedule) {
      if (options !== undefined && annotations?.[SCHEDULE_ANNOTATION] !== undefined)
        throw document.problem(
          options,
          `the annotation ${SCHEDULE_ANNOTATION} has the options as well: write one of them`,
        );
      return withAnnotations(
        { name, type: SCHEDULE_TYPE, source },
        options === undefined ? annotations : { ...annotations, [SCHEDULE_ANNOTATION]: document.json(options) },
      );
    }
    if (options !== undefined)
      notes.push(`${document.at(options.line)}: ${options.path} has no effect: the type is http`);
    if (sources.has(source)) throw document.problem(field('source'), `two triggers have the source ${shown(source)}`);
    sources.add(source);
    return withAnnotations({ name, type: 'http', source }, annotations);
  });
}

function withAnnotations(trigger: TriggerSpec, annotations: TriggerSpec['annotations']): TriggerSpec {
  return annotations === undefined ? trigger : { ...trigger, annotations };
}

function schemaNotes(document: YamlDocument, entry: Entry | undefined): string[] {
  const version = textOf(document, entry);
  if (entry === undefined || version === undefined || version === SCHEMA_VERSION) return [];
  return [
    `${document.at(entry.line)}: schema_version is ${printableLine(version, 50)}; it is read as ${SCHEMA_VERSION}`,
  ];
}

/** A line for each key that has no effect, and for each unknown one. */
function unusedNotes(document: YamlDocument, fields: Map<string, Entry>, known: ReadonlySet<string>): string[] {
  const also = known === FIELDS ? WITHOUT_EFFECT : new Map<string, string>();
  return [...fields.values()].flatMap((entry) => {
    if (known.has(entry.key)) return [];
    const [at, key] = [document.at(entry.line), printableLine(entry.path, 100)];
    const reason = also.get(entry.key);
    if (reason !== undefined) return [`${at}: ${key} has no effect: ${reason}`];
    const nearest = nearestName(entry.key, [...known, ...also.keys()]);
    if (nearest !== undefined) return [`${at}: ${key} is unknown and has no effect; did you mean ${nearest}?`];
    // YAML files keep anchors for the rest of the file under such keys.
    const isStore = entry.key.startsWith('x-') || hasAnchor(entry);
    return isStore ? [] : [`${at}: ${key} is unknown and has no effect`];
  });
}

/** Annotations are free-form, but those with our prefix have to be known ones. */
function annotationNotes(document: YamlDocument, entry: Entry | undefined, known: ReadonlySet<string>): string[] {
  if (entry === undefined) return [];
  const unknown = [...document.map(entry).values()].filter(({ key }) => key.startsWith(OURS) && !known.has(key));
  return unknown.map(({ key, path: at, line }) => {
    const nearest = nearestName(key, known) ?? [...known].join(' or ');
    return `${document.at(line)}: ${printableLine(at, 100)} is unknown and has no effect; did you mean ${nearest}?`;
  });
}

function shown(text: string | undefined): string {
  return text === undefined ? 'none' : JSON.stringify(printableLine(text, 100));
}

/** Keys of func.yaml that have an effect. */
const FIELDS: ReadonlySet<string> = new Set([
  'schema_version',
  'name',
  'version',
  'image',
  'memory',
  'timeout',
  'idle_timeout',
  'config',
  'annotations',
  'triggers',
  'runtime',
  'build_image',
  'run_image',
  'entrypoint',
  'cmd',
]);

const TRIGGER_FIELDS: ReadonlySet<string> = new Set(['name', 'type', 'source', 'schedule', 'annotations']);

const ROUTE = 'routes no longer exist: write a list of triggers, each with name, type http and source';
const GONE = 'Fn has dropped it';

/** Keys that `fn` knows or once knew and that have no effect here, with the reason. */
const WITHOUT_EFFECT: ReadonlyMap<string, string> = new Map([
  ['build', 'commands are not run on this machine; put them into a Dockerfile'],
  ['content_type', 'a call has the content type that its caller sends'],
  ['expects', 'only `fn run` reads it; required configuration is not checked'],
  ['tests', GONE],
  ['type', `the caller decides whether a call is asynchronous, or a trigger with ${INVOKE_TYPE_ANNOTATION}`],
  ['format', 'every function speaks HTTP over its socket'],
  ['cpus', GONE],
  ['headers', GONE],
  ['path', ROUTE],
  ['deploy', 'it is for Oracle Cloud'],
  ['signing_details', 'it is for Oracle Cloud'],
]);

import { type Dirent, existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { MIB, readSmallFileSync } from '@fnfleet/core';
import { YamlDocument } from '../func-file/yaml-document.js';

/*
 * The layout of a folder of resources, one file for each app and function, so that a history shows what has changed:
 *
 *   fnfleet.yaml                  format: 1
 *   shop/app.yaml                 name, config, …
 *   shop/functions/cart.yaml      name, image, limits, config, triggers, …
 *
 * Names of folders and files are for people; the names inside count. Every file may also be JSON.
 */
export const MARKER = 'fnfleet.yaml';
export const FORMAT = 1;
export const APP_FILE = 'app';
export const FUNCTIONS = 'functions';
const EXTENSIONS = ['.yaml', '.yml', '.json'] as const;

/** Maximum length of a file: a function with all that an API node accepts, and a thousand triggers. */
const MAX_FILE_BYTES = 4 * MIB;
/** Maximum number of files that are read. */
const MAX_FILES = 200_000;

/** The files of one app, as paths relative to the root. */
export interface AppFiles {
  readonly folder: string;
  /** More than one is a mistake, which reading reports. */
  readonly app: readonly string[];
  readonly functions: readonly string[];
}

/** The files of resources, sorted. Other files are ignored. @throws Error for a link or a pipe in the place of one */
export function resourceFiles(root: string): AppFiles[] {
  let count = 0;
  const within = (folder: string) => {
    const files = filesIn(path.join(root, folder)).sort();
    count += files.length;
    if (count > MAX_FILES) throw new Error(`${root} has more than ${MAX_FILES} files`);
    return files.map((name) => path.join(folder, name));
  };
  return foldersIn(root)
    .sort()
    .map((folder) => ({
      folder,
      app: within(folder).filter((file) => path.parse(file).name.toLowerCase() === APP_FILE),
      functions: foldersIn(path.join(root, folder)).includes(FUNCTIONS) ? within(path.join(folder, FUNCTIONS)) : [],
    }));
}

function foldersIn(folder: string): string[] {
  return visible(folder)
    .filter((entry) => {
      if (entry.isSymbolicLink() && isFolder(path.join(folder, entry.name))) throw refused(folder, entry);
      return entry.isDirectory();
    })
    .map(({ name }) => name);
}

function filesIn(folder: string): string[] {
  return visible(folder)
    .filter((entry) => {
      if (!isResource(entry.name) || entry.isDirectory()) return false;
      if (!entry.isFile()) throw refused(folder, entry);
      return true;
    })
    .map(({ name }) => name);
}

function visible(folder: string): Dirent[] {
  return readdirSync(folder, { withFileTypes: true }).filter(({ name }) => !name.startsWith('.'));
}

function isFolder(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** Without it, what it stands for would count as missing, and could be removed from the API node. */
function refused(folder: string, entry: Dirent): Error {
  const what = entry.isSymbolicLink() ? 'a link' : 'no ordinary file';
  return new Error(`${path.join(folder, entry.name)} is ${what}; a folder of resources has only files and folders`);
}

/** In capitals too: what an overlooked file describes would count as missing. */
function isResource(name: string): boolean {
  return EXTENSIONS.some((extension) => name.toLowerCase().endsWith(extension));
}

/** @throws Error unless the folder is one of resources, in a format that this release knows */
export function checkMarker(root: string): void {
  const marker = path.join(root, MARKER);
  if (!existsSync(marker)) {
    throw new Error(`${root} is not a folder of resources: it has no ${MARKER} with "format: ${FORMAT}"`);
  }
  const document = new YamlDocument(marker, textOf(marker));
  const format = document.map(document.top).get('format');
  const found = format && document.whole(format);
  if (found === FORMAT) return;
  throw new Error(`${marker}: format ${found ?? 'is missing'}; this release reads format ${FORMAT}`);
}

/** @throws Error that names the file */
export function textOf(file: string): string {
  try {
    return readSmallFileSync(file, MAX_FILE_BYTES);
  } catch (error) {
    throw new Error(`cannot read ${file}: ${(error as Error).message}`, { cause: error });
  }
}

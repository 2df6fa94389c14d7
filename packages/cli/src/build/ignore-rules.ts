import { lstatSync } from 'node:fs';
import path from 'node:path';
import { KIB, readSmallFileSync } from '@fnfleet/core';

/** Maximum lines, many times more than real files have: each name in a folder is matched against each line. */
const MAX_FILE_BYTES = 64 * KIB;
const MAX_LINES = 1_000;

export interface IgnoreRules {
  /** @param name below the folder, with slashes */
  ignores(name: string): boolean;
  /** Whether a later line may re-include names below an excluded folder. */
  readonly bringBack: boolean;
  /** Cost of matching so far: characters of names, times the pattern positions at which each was tried. */
  readonly steps: number;
}

/**
 * Reads the .dockerignore of a folder with the rules of Docker.
 * @throws Error that names an invalid line, or a limit that is exceeded
 */
export function ignoreRules(root: string): IgnoreRules {
  const file = path.join(root, '.dockerignore');
  if (lstatSync(file, { throwIfNoEntry: false })?.isFile() !== true) return NO_RULES;
  const rules = readLines(file).flatMap((line, index) => ruleOf(line, `${file}:${index + 1}`));
  const work = { steps: 0 };
  return {
    ignores(name) {
      // The last line that matches a name decides.
      const rule = rules.findLast(({ pattern }) => matches(pattern, name, work));
      return rule !== undefined && !rule.keeps;
    },
    bringBack: rules.some(({ keeps }) => keeps),
    get steps() {
      return work.steps;
    },
  };
}

const NO_RULES: IgnoreRules = { ignores: () => false, bringBack: false, steps: 0 };

function readLines(file: string): string[] {
  let text: string;
  try {
    text = readSmallFileSync(file, MAX_FILE_BYTES);
  } catch (cause) {
    throw new Error(`cannot read ${file}: ${(cause as Error).message}`, { cause });
  }
  const lines = text.split(/\r?\n/);
  if (lines.length > MAX_LINES) throw new Error(`${file} has more than ${MAX_LINES} lines`);
  return lines;
}

interface Rule {
  readonly pattern: Pattern;
  /** Whether it re-includes what an earlier line excludes. */
  readonly keeps: boolean;
}

/** Matches one character, or: `star` any characters within a name, `folders` zero or more folders, `rest` anything. */
type Part = ((char: string) => boolean) | 'star' | 'folders' | 'rest';
type Pattern = readonly Part[];

function ruleOf(line: string, at: string): Rule[] {
  if (line.startsWith('#')) return [];
  const text = line.trim();
  const keeps = text.startsWith('!');
  const written = text.slice(keeps ? 1 : 0).trim();
  if (written === '') return [];
  const clean = path.posix
    .normalize(written)
    .replace(/(?<=.)\/$/, '')
    .replace(/^\/(?=.)/, '');
  return [{ keeps, pattern: parse(clean, at) }];
}

function parse(text: string, at: string): Pattern {
  const parts: Part[] = [];
  const chars = [...text];
  for (let next = 0; next < chars.length; next += 1) {
    const char = chars[next];
    if (char === '*' && chars[next + 1] === '*') {
      next += chars[next + 2] === '/' ? 2 : 1;
      parts.push(next + 1 === chars.length ? 'rest' : 'folders');
    } else if (char === '*') {
      parts.push('star');
    } else if (char === '?') {
      parts.push((other) => other !== '/');
    } else if (char === '[') {
      const end = chars.indexOf(']', next + 2);
      if (end === -1) throw new Error(`${at}: [ without its ]`);
      parts.push(oneOf(chars.slice(next + 1, end)));
      next = end;
    } else {
      if (char === '\\' && next + 1 < chars.length) next += 1;
      const wanted = chars[next];
      parts.push((other) => other === wanted);
    }
  }
  return parts;
}

/** @param chars the characters and ranges between the brackets; a leading `^` negates them */
function oneOf(chars: readonly string[]): (char: string) => boolean {
  const others = chars[0] === '^';
  const ranges: [from: string, to: string][] = [];
  for (let at = others ? 1 : 0; at < chars.length; at += 1) {
    const from = chars[at] ?? '';
    const to = chars[at + 1] === '-' ? chars[at + 2] : undefined;
    if (to !== undefined) at += 2;
    ranges.push([from, to ?? from]);
  }
  return (char) => char !== '/' && ranges.some(([from, to]) => from <= char && char <= to) !== others;
}

/**
 * Whether a pattern matches a name or a folder above it. Follows all alternatives in parallel, character by character,
 * so the cost is at most the length of the pattern times that of the name: a .dockerignore may be untrusted, and a
 * backtracking matcher could be made to run forever.
 */
function matches(pattern: Pattern, name: string, work: { steps: number }): boolean {
  let places = new Set<number>();
  enter(places, pattern, 0);
  for (const char of name) {
    if (char === '/' && places.has(pattern.length)) return true;
    work.steps += places.size;
    const following = new Set<number>();
    for (const place of places) {
      const part = pattern[place];
      if (part === undefined) continue;
      if (typeof part === 'function') {
        if (part(char)) enter(following, pattern, place + 1);
      } else if (part === 'folders') {
        following.add(place);
        if (char === '/') enter(following, pattern, place + 1);
      } else if (part === 'rest' || char !== '/') {
        enter(following, pattern, place);
      }
    }
    if (following.size === 0) return false;
    places = following;
  }
  return places.has(pattern.length);
}

/** Adds a position in a pattern, and those after it that match without a character. */
function enter(places: Set<number>, pattern: Pattern, from: number): void {
  for (let place = from; ; place += 1) {
    places.add(place);
    if (typeof pattern[place] !== 'string') return;
  }
}

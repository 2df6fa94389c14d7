/**
 * Compares the rules of docs/spec with the titles of tests. Every number that a title cites has to be a rule, and every rule has to be
 * cited by a title or say why no test holds it (`*Not tested: …*`). Titles cite by page and number: `protocol 31: …`,
 * `http-api 21-23, 25, protocol 13: …`.
 */
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { ROOT } from './lib/shell.mjs';

const PAGES = globSync('docs/spec/*.md', { cwd: ROOT }).map((name) => path.basename(name, '.md'));
const CITATION = new RegExp(`\\b(${PAGES.join('|')}) (\\d+(?:-\\d+)?(?:, \\d+(?:-\\d+)?)*)`, 'g');
const RULE = /^- <a id="([\w-]+)-(\d+)"><\/a>\*\*(\d+)\*\* /;
const REASON = /\*Not tested: [^*]+\.\*/;

/** @type {string[]} */
const faults = [];

/** @param {string} name relative to the repository */
function linesOf(name) {
  return readFileSync(path.join(ROOT, name), 'utf8').split('\n');
}

/**
 * @param {string} page
 * @returns the text of each rule by its name, such as `protocol 31`
 */
function rulesOf(page) {
  /** @type {Map<string, string>} */
  const rules = new Map();
  /** @type {string | undefined} */
  let rule;
  for (const line of linesOf(`docs/spec/${page}.md`)) {
    const [, anchorPage, anchor, number] = RULE.exec(line) ?? [];
    if (number !== undefined) {
      rule = `${page} ${number}`;
      if (anchorPage !== page || anchor !== number) faults.push(`${rule}: its anchor is ${anchorPage}-${anchor}`);
      if (rules.has(rule)) faults.push(`${rule}: there are two`);
      rules.set(rule, '');
    } else if (line.startsWith('#')) {
      rule = undefined;
    }
    if (rule !== undefined) rules.set(rule, `${rules.get(rule)} ${line.trim()}`);
  }
  for (let number = 1; number <= rules.size; number += 1) {
    if (!rules.has(`${page} ${number}`))
      faults.push(`${page} ${number}: missing in docs/spec/${page}.md, which has higher numbers`);
  }
  return rules;
}

/**
 * @param {string} line of a test
 * @returns the rules that it cites outside a comment; a range cites all between its ends
 */
function citationsOf(line) {
  if (/^\s*(\/\/|\/?\*)/.test(line)) return [];
  return [...line.matchAll(CITATION)].flatMap(([, page, numbers = '']) =>
    numbers.split(', ').flatMap((part) => {
      const [from = 0, to = from] = part.split('-').map(Number);
      return Array.from({ length: to - from + 1 }, (_, offset) => `${page} ${from + offset}`);
    }),
  );
}

const rules = new Map(PAGES.flatMap((page) => [...rulesOf(page)]));
const cited = new Set();
for (const name of globSync(['packages/*/src/**/*.ts', 'e2e/src/**/*.ts'], { cwd: ROOT })) {
  for (const [index, line] of linesOf(name).entries()) {
    for (const rule of citationsOf(line)) {
      cited.add(rule);
      if (!rules.has(rule)) faults.push(`${name}:${index + 1}: docs/spec has no rule ${rule}`);
    }
  }
}
for (const [rule, text] of rules) {
  const excused = REASON.test(text);
  if (!cited.has(rule) && !excused) faults.push(`${rule}: no test title cites it, and docs/spec gives no reason`);
  if (cited.has(rule) && excused)
    faults.push(`${rule}: docs/spec says that it is not tested, but a test title cites it`);
}
if (rules.size === 0 || cited.size === 0) faults.push('no rules or no citations were found');
for (const fault of faults) console.error(fault);
if (faults.length > 0) process.exitCode = 1;

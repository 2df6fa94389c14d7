import { isUnitTest, RESOURCES, testFiles } from './test-files.cjs';

/** @typedef {import('./test-files.cjs').TestFile} TestFile */

/**
 * Splits the arguments of `npm test --` into words that choose tests and, after them, options for jest. A word is
 *
 *   placement          a package
 *   placement/health   a package and part of a path below its `src` (or a whole path, such as packages/placement/src/placer.ts)
 *   hostile            part of a path in any package
 *
 * @param {readonly string[]} args
 * @param {{ unit?: boolean }} [options] only unit tests
 * @returns {{ chosen: TestFile[] | undefined, options: readonly string[] }} undefined: without words, all tests
 * @throws Error when a word matches nothing
 */
export function chooseTests(args, { unit = false } = {}) {
  const end = args.findIndex((arg) => arg.startsWith('-'));
  const words = end === -1 ? args : args.slice(0, end);
  const options = end === -1 ? [] : args.slice(end);
  const files = testFiles().filter((file) => !unit || isUnitTest(file));
  if (words.length === 0) return { chosen: undefined, options };
  const chosen = new Set(words.flatMap((word) => matches(word, files, unit)));
  return { chosen: [...chosen], options };
}

/** What these tests need together. @param {readonly TestFile[]} files */
export function needsOfAll(files) {
  const needs = new Set(files.flatMap((file) => file.needs));
  return {
    docker: needs.has('docker'),
    root: needs.has('root'),
    tools: [...needs].filter((need) => !RESOURCES.includes(need)),
  };
}

/** @param {string} word @param {readonly TestFile[]} files @param {boolean} unit */
function matches(word, files, unit) {
  const wanted = word
    .replace(/^(\.\/)?(packages\/)?/, '')
    .replace(/^([^/]+)\/(src|dist)\//, '$1/')
    .replace(/(\.test)?\.[jt]s$/, '');
  const [folder = '', ...rest] = wanted.split('/');
  const found = files.filter(({ project, source }) => {
    if (nameOf(project) !== folder) return source.includes(wanted);
    return source.slice(`${project}/src/`.length).includes(rest.join('/'));
  });
  if (found.length > 0) return found;
  const names = [...new Set(testFiles().map(({ project }) => nameOf(project)))];
  throw new Error(
    `No ${unit ? 'unit test' : 'test'} matches ${JSON.stringify(word)}. Name a package (${names.join(', ')}), a file of one ` +
      '(placement/health), or part of a path.',
  );
}

/** @param {string} project */
function nameOf(project) {
  return project.replace('packages/', '');
}

const { existsSync, readdirSync, readFileSync } = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '../..');

/** What a test may need besides programs of `test-tools.mjs`. */
const RESOURCES = ['docker', 'root'];

/**
 * A test file is a unit test (`npm run test:unit`) unless one of these comments is at its top:
 *
 *   // needs: docker, etcd    a Docker engine, root, or programs of `test-tools.mjs`; `test-guard.cjs` enforces it
 *   // takes: 20 s            alone, on the machine that CONTRIBUTING names; the slowest files start first
 *
 * Everything in `e2e` needs Docker without saying so, except for files with `// needs: nothing`.
 *
 * @typedef {object} TestFile
 * @property {string} source relative to the repository
 * @property {string} compiled what jest runs, relative to the repository
 * @property {string} project its folder: `packages/<name>`, or `e2e`
 * @property {readonly string[]} needs
 * @property {number} takesSeconds 0 if not declared
 */

/** @returns {TestFile[]} */
function testFiles() {
  return projects().flatMap((project) =>
    readdirSync(path.join(ROOT, project, 'src'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.test.ts'))
      .sort()
      .map((name) => testFile(project, name)),
  );
}

/** @returns {string[]} what the compiler builds: `packages/<name>`, and `e2e` */
function projects() {
  const packages = readdirSync(path.join(ROOT, 'packages')).map((name) => `packages/${name}`);
  return [...packages, 'e2e'].filter((project) => existsSync(path.join(ROOT, project, 'src')));
}

/** @param {TestFile} file */
function isUnitTest({ needs, takesSeconds }) {
  return needs.length === 0 && takesSeconds === 0;
}

/**
 * What a test file declares, by its compiled path.
 * @param {string} compiled absolute
 */
function needsOf(compiled) {
  const source = path.relative(ROOT, compiled).replace('/dist/', '/src/').replace(/\.js$/, '.ts');
  return markersIn(source).needs;
}

/**
 * @param {string} project
 * @param {string} name relative to its `src`
 * @returns {TestFile}
 */
function testFile(project, name) {
  const source = `${project}/src/${name}`;
  const compiled = `${project}/dist/${name.replace(/\.ts$/, '.js')}`;
  return { source, compiled, project, ...markersIn(source) };
}

/** @param {string} source relative to the repository */
function markersIn(source) {
  const [opening = ''] = readFileSync(path.join(ROOT, source), 'utf8').split(/^(?!\/\/)/m);
  const [, needed = ''] = /^\/\/ needs: (.+)$/m.exec(opening) ?? [];
  const [, seconds = '0'] = /^\/\/ takes: (\d+) s$/m.exec(opening) ?? [];
  const named = needed === '' ? [] : needed.split(', ');
  const needs = source.startsWith('e2e/') ? ['docker', ...named] : named;
  return { needs: needed === 'nothing' ? [] : needs, takesSeconds: Number(seconds) };
}

module.exports = { RESOURCES, isUnitTest, needsOf, projects, testFiles };

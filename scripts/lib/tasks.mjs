import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { chooseTests, needsOfAll } from './choose-tests.mjs';
import { ensureDockerEngine } from './docker-engine.mjs';
import { isRoot } from './machine.mjs';
import { ROOT, step } from './shell.mjs';
import { testFiles } from './test-files.cjs';
import { ensureTestTool, ensureTestTools } from './test-tools.mjs';
import { build, ensureInstalled, node, tool } from './toolchain.mjs';

const COMMAND = 'packages/cli/bin/fnfleet.js';
const EXAMPLE = 'examples/hello-node';

/**
 * What `npm run <name>` does. Each resolves with an exit code.
 * @type {Record<string, (args: readonly string[]) => Promise<number>>}
 */
export const TASKS = {
  /** A local fleet with an example function in it, until Ctrl-C. */
  async start(args) {
    await build();
    const up = ['up', '--example', EXAMPLE, '--image', 'fnfleet/hello-node:latest', ...args];
    if (process.env.FN_DRIVER === 'process') {
      await installExample();
      return node(COMMAND, up, {
        FN_PROCESS_FUNCTIONS: process.env.FN_PROCESS_FUNCTIONS ?? path.join(ROOT, 'examples'),
      });
    }
    if (!(await ensureDockerEngine())) return 1;
    return (await images(['hello-node'])) || node(COMMAND, up);
  },

  /**
   * Every test, or those chosen (`choose-tests.mjs`), with real Docker where they need it. With `--check`, the check comes before: what
   * tests need is fetched and built beside it.
   */
  async test(args) {
    const isChecked = args.includes('--check');
    const { chosen, options } = chooseTests(args.filter((arg) => arg !== '--check'));
    const needs = needsOfAll(chosen ?? testFiles());
    await build(!isChecked && chosen && !needs.docker ? chosen.map(({ project }) => project) : []);
    const prepared = prepare(needs);
    // Reported after the check.
    prepared.catch(() => undefined);
    return (isChecked && (await check())) || (await prepared) || jest([...pathsOf(chosen), ...options]);
  },

  /** What needs neither Docker nor root nor other programs, and no long time. */
  async 'test:unit'(args) {
    const { chosen, options } = chooseTests(args, { unit: true });
    await build(chosen?.map(({ project }) => project));
    const nowhere = { DOCKER_HOST: 'unix:///unit-tests-have-no-docker-engine' };
    return jest(['--config', 'jest.unit.config.js', ...pathsOf(chosen), ...options], nowhere);
  },

  async check() {
    await build();
    return check();
  },

  async build() {
    await build();
    return 0;
  },

  /** Packs and checks the public packages, in `.fnfleet/packages` or the folder given. */
  async pack(args) {
    await build();
    return node('scripts/packages.mjs', args);
  },

  async bench(args) {
    await build();
    if (!(await ensureDockerEngine())) return 1;
    return (await images(['micro'])) || node('e2e/bench/bench.mjs', args);
  },

  /** Many calls of all kinds, and what is left of them. */
  async soak(args) {
    await build();
    if (!(await ensureDockerEngine())) return 1;
    return (await images(['probe'])) || node('e2e/dist/soak/main.js', args);
  },

  /** Processes are killed again and again, and what was promised is compared with what became of it. */
  async chaos(args) {
    await build();
    if (!(await ensureDockerEngine())) return 1;
    return (await images(['probe'])) || node('e2e/dist/chaos/main.js', args, { NODE_OPTIONS: '--enable-source-maps' });
  },

  /** Faults put into the code of six packages, one at a time, and how many of them a test notices. */
  async mutate(args) {
    await build();
    for (const name of ['etcd', 'dnsmasq']) await ensureTestTool(name);
    return node('scripts/mutate.mjs', args);
  },

  /** Drawn input for every border, for as long as asked. */
  async fuzz(args) {
    await build();
    return node('e2e/dist/fuzz/main.js', args, { NODE_OPTIONS: '--enable-source-maps' });
  },

  async images(args) {
    await build();
    if (!(await ensureDockerEngine())) return 1;
    return images(args);
  },

  async docs() {
    await build();
    return (await node('scripts/docs.mjs')) || node('scripts/dashboards.mjs');
  },

  async format() {
    await ensureInstalled();
    return tool('biome', ['check', '--write', '.']);
  },

  async clean() {
    for (const group of ['packages', '.']) {
      for (const name of readdirSync(path.join(ROOT, group))) {
        for (const made of ['dist', 'tsconfig.tsbuildinfo']) {
          rmSync(path.join(ROOT, group, name, made), { recursive: true, force: true });
        }
      }
    }
    return 0;
  },
};

/** Format, lint (also that only one module reads clocks), import direction, docs in step, rules that tests cite, functions that the code walk names, types of scripts, packages for npm, and regular expressions that strangers' texts cannot slow down. */
async function check() {
  return (
    (await tool('biome', ['ci', '--colors=off', '.'])) ||
    (await tool('depcruise', ['--config', '.dependency-cruiser.cjs', 'packages', 'e2e'])) ||
    (await node('scripts/circles.mjs')) ||
    (await node('scripts/docs.mjs', ['--check'])) ||
    (await node('scripts/dashboards.mjs', ['--check'])) ||
    (await node('scripts/spec.mjs')) ||
    (await node('scripts/code-walk.mjs')) ||
    (await node('scripts/packages.mjs')) ||
    // Types of scripts and benchmarks.
    (await tool('tsc', ['-p', 'scripts'])) ||
    // A name that a CommonJS package declares may still not be there for an ES module.
    (await node('e2e/bench/bench.mjs', ['--help'])) ||
    node('scripts/regexps.mjs')
  );
}

/**
 * Engine, programs and images for tests.
 * @param {ReturnType<typeof needsOfAll>} needs
 */
async function prepare(needs) {
  if (needs.docker && !(await ensureDockerEngine())) return 1;
  if (needs.root && !isRoot()) process.stderr.write('• some of these tests need root, and will fail\n');
  await ensureTestTools(needs.tools);
  return needs.docker ? images(['all']) : 0;
}

/** For the process driver; an image brings its own. */
async function installExample() {
  const cwd = path.join(ROOT, EXAMPLE);
  if (!existsSync(path.join(cwd, 'node_modules'))) {
    await step('installing the example', 'npm', ['ci', '--omit=dev', '--loglevel=error'], { cwd });
  }
}

/** @param {readonly string[]} names */
function images(names) {
  return node('scripts/images/build.mjs', names);
}

/**
 * Some of our dependencies are ES modules, which jest can load only with this flag.
 * @param {readonly string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 */
function jest(args, env = {}) {
  return node('node_modules/jest/bin/jest.js', args, {
    NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning --enable-source-maps',
    ...env,
  });
}

/** @param {readonly import('./test-files.cjs').TestFile[] | undefined} chosen undefined: all tests */
function pathsOf(chosen) {
  return chosen === undefined ? [] : ['--runTestsByPath', ...chosen.map(({ compiled }) => compiled)];
}

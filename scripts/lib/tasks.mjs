import { readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { ensureDockerEngine } from './docker-engine.mjs';
import { ROOT } from './shell.mjs';
import { build, ensureInstalled, node, tool } from './toolchain.mjs';

/** What `npm run <name>` does. Each resolves with an exit code. */
export const TASKS = {
  /** A local fleet with an example function in it, until Ctrl-C. */
  async start(args) {
    await build();
    if (process.env.FN_DRIVER !== 'process' && !(await ensureDockerEngine())) return 1;
    if (process.env.FN_DRIVER !== 'process' && (await images(['hello-node'])) !== 0) return 1;
    const example = ['--example', 'examples/hello-node', '--image', 'fnfleet/hello-node:latest'];
    return node('packages/cli/bin/fnfleet.js', ['up', ...example, ...args]);
  },

  /** Every test, with real Docker. */
  async test(args) {
    await build();
    if (!(await ensureDockerEngine())) return 1;
    return (await images([])) || jest(args);
  },

  /** Format, lint, import direction and docs in step. */
  async check() {
    await build();
    return (
      (await tool('biome', ['ci', '--colors=off', '.'])) ||
      (await tool('depcruise', ['--config', '.dependency-cruiser.cjs', 'packages', 'e2e'])) ||
      node('scripts/docs.mjs', ['--check'])
    );
  },

  async build() {
    await build();
    return 0;
  },

  async bench(args) {
    await build();
    if (!(await ensureDockerEngine())) return 1;
    return (await images(['micro'])) || node('e2e/bench/bench.mjs', args);
  },

  async images(args) {
    await build();
    if (!(await ensureDockerEngine())) return 1;
    return images(args);
  },

  async docs() {
    await build();
    return node('scripts/docs.mjs');
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

function images(names) {
  return node('scripts/images/build.mjs', names.length > 0 ? names : ['all']);
}

/** Some of our dependencies are ES modules, which jest can load only with this flag. */
function jest(args) {
  return node('node_modules/jest/bin/jest.js', args, {
    NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning --enable-source-maps',
  });
}

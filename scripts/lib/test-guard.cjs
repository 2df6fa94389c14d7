/**
 * Enforces the `// needs:` of test files: a file that does not list Docker fails if it reaches for an engine or a package manager,
 * even if it copes with the result. Child processes are not watched; `npm run test:unit` gives them a DOCKER_HOST where no engine
 * is. `testTool` in `packages/testing` enforces the same for programs.
 */
const { ChildProcess } = require('node:child_process');
const { Socket } = require('node:net');
const path = require('node:path');
const { needsOf } = require('./test-files.cjs');

const ENGINE_SOCKETS = ['/var/run/docker.sock', '/run/docker.sock'];
const PROGRAMS = ['docker', 'dockerd', 'podman', 'apt-get', 'apt', 'dpkg'];

// Bytes that a socket lends are overwritten afterwards: see packages/core/src/reads.ts.
Object.assign(globalThis, { [Symbol.for('fnfleet.overwritesReadBytes')]: true });

const { testPath = '' } = expect.getState();
if (!needsOf(testPath).includes('docker')) {
  // So that every way to the engine leads to a socket of the list above.
  delete process.env.DOCKER_HOST;
  /** @type {string[]} */
  const reached = [];
  guard(Socket.prototype, 'connect', ([first]) => {
    const target = Array.isArray(first) ? first[0] : first;
    const socketPath = typeof target === 'string' ? target : fieldOf(target, 'path');
    if (ENGINE_SOCKETS.includes(socketPath)) reached.push(socketPath);
  });
  guard(ChildProcess.prototype, 'spawn', ([options]) => {
    const file = fieldOf(options, 'file');
    if (PROGRAMS.includes(path.basename(file))) reached.push(file);
  });
  const judge = () => {
    const names = reached.splice(0);
    if (names.length > 0)
      throw new Error(`reached for ${names.join(', ')}: say "// needs: docker" at the top of the file`);
  };
  afterEach(judge);
  afterAll(judge);
}

/**
 * Passes the arguments of each call of a method to `look`, until the end of the test file.
 * @param {object} owner
 * @param {string} name
 * @param {(args: readonly unknown[]) => void} look
 */
function guard(owner, name, look) {
  const original = Reflect.get(owner, name);
  /** @this {unknown} @param {unknown[]} args */
  function guarded(...args) {
    look(args);
    return Reflect.apply(original, this, args);
  }
  Reflect.set(owner, name, guarded);
  afterAll(() => Reflect.set(owner, name, original));
}

/**
 * @param {unknown} options
 * @param {string} name
 * @returns {string} empty unless the options have such a text
 */
function fieldOf(options, name) {
  // Not `instanceof Object`: jest runs this file with other globals than Node's own modules.
  const value = typeof options === 'object' && options !== null ? Reflect.get(options, name) : undefined;
  return typeof value === 'string' ? value : '';
}

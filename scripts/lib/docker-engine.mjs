import { spawn } from 'node:child_process';
import { mkdirSync, openSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { installPackage, updatePackageLists } from './apt.mjs';
import { isDebian, isRoot } from './machine.mjs';
import { probe, ROOT } from './shell.mjs';

const DEFAULT_SOCKET = '/var/run/docker.sock';
const START_LIMIT_MS = 60_000;

/**
 * Makes sure that a Docker engine is running. Uses the one that answers; on Debian or Ubuntu, as root, installs and starts one;
 * elsewhere prints what to do. Resolves with whether there is one.
 */
export async function ensureDockerEngine() {
  if (await answers()) return true;
  if (process.env.DOCKER_HOST) {
    explain(`DOCKER_HOST is ${process.env.DOCKER_HOST}, but no Docker engine answers there.`);
    return false;
  }
  if (!(isRoot() && isDebian())) {
    explain(`No Docker engine answers at ${DEFAULT_SOCKET}.`);
    return false;
  }
  if ((await probe('dockerd', ['--version'])).code !== 0) {
    await updatePackageLists();
    await installPackage('docker.io');
  }
  // With an init system, the installation has started the engine.
  if (!(await answersWithin(3000))) startDockerd();
  if (await answersWithin(START_LIMIT_MS)) return true;
  throw new Error(`dockerd did not answer within ${START_LIMIT_MS / 1000} s; its log is ${logPath()}`);
}

/** Detached, and with its output in a file: the engine outlives this process. */
function startDockerd() {
  mkdirSync(path.dirname(logPath()), { recursive: true });
  const log = openSync(logPath(), 'a');
  const child = spawn('dockerd', [], { detached: true, stdio: ['ignore', log, log] });
  child.on('error', (error) => process.stderr.write(`  dockerd: ${error.message}\n`));
  child.unref();
  process.stderr.write(
    `• started dockerd (pid ${child.pid}, log ${logPath()}); it stays when we end: kill ${child.pid}\n`,
  );
}

function logPath() {
  return path.join(ROOT, '.fnfleet/dockerd.log');
}

/** @param {number} limitMs */
async function answersWithin(limitMs) {
  for (const until = Date.now() + limitMs; Date.now() < until; ) {
    if (await answers()) return true;
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
  return false;
}

/** @returns {Promise<boolean>} */
function answers() {
  const host = process.env.DOCKER_HOST ?? `unix://${DEFAULT_SOCKET}`;
  if (!/^(unix|tcp|http):\/\//.test(host)) return probe('docker', ['version']).then(({ code }) => code === 0);
  const url = new URL(host.replace(/^tcp:/, 'http:'));
  const target = url.protocol === 'unix:' ? { socketPath: url.pathname } : { host: url.hostname, port: url.port };
  return new Promise((resolve) => {
    const request = http.get({ ...target, path: '/_ping', timeout: 3000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.on('timeout', () => request.destroy());
    request.on('error', () => resolve(false));
  });
}

/** @param {string} problem one sentence */
function explain(problem) {
  process.stderr.write(`
${problem}

fnfleet runs functions in Docker containers. Either
  • install and start Docker (https://docs.docker.com/engine/install/), then run this again,
  • run this as root on Debian or Ubuntu, and it installs and starts docker.io for you, or
  • run without containers, which does NOT isolate functions from this machine:  FN_DRIVER=process npm start
`);
}

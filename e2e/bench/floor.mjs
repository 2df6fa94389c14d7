import { fork } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSettings, silentLogger } from '@fnfleet/core';
import { DockerDriver, dockerSettings } from '@fnfleet/drivers';
import { IMAGE } from './fleet.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

let floors = 0;

/**
 * Starts a one-hop proxy in front of a container of the same function, or of several. Resolves with its URL.
 * @param {import('./clean-up.mjs').CleanUp} undo
 * @param {Record<string, string>} [env]
 * @param {number} [containers]
 */
export async function startFloor(undo, env = {}, containers = 1) {
  const driver = new DockerDriver({ settings: readSettings(dockerSettings, process.env), logger: silentLogger });
  undo.push(() => driver.close());
  await driver.ready;
  const signal = AbortSignal.timeout(60_000 + 2_000 * containers);
  const sockets = [];
  for (let n = 0; n < containers; n += 1) sockets.push(await startContainer(driver, env, undo, signal));
  const proxy = fork(path.join(here, 'floor-proxy.mjs'), sockets);
  undo.push(() => proxy.kill());
  const { port } = await new Promise((resolve) => proxy.once('message', resolve));
  return `http://127.0.0.1:${port}/`;
}

/**
 * @param {DockerDriver} driver
 * @param {Record<string, string>} env
 * @param {import('./clean-up.mjs').CleanUp} undo
 * @param {AbortSignal} signal
 * @returns {Promise<string>} the path of its socket
 */
async function startContainer(driver, env, undo, signal) {
  floors += 1;
  const spec = {
    id: `bench-floor-${process.pid}-${floors}`,
    image: IMAGE,
    memoryMb: 128,
    tmpfsMb: 0,
    cpuMillis: 0,
    appId: 'bench',
    fnId: 'floor',
    syslogUrl: '',
    networkDisabled: false,
    extensions: {},
    env: { FN_FORMAT: 'http-stream', FN_LISTENER: 'unix:/tmp/iofs/lsnr.sock', ...env },
  };
  await driver.prepareImage(spec, signal);
  const container = await driver.create(spec, signal);
  undo.push(() => container.close());
  await container.start(signal);
  await container.listening(signal);
  return container.socketPath;
}

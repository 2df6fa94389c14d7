import { chmodSync, existsSync, mkdtempSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Docker from 'dockerode';
import { IMAGE, startFleet } from './fleet.mjs';
import { callOnce, sleep } from './one-call.mjs';
import { median, ms, quantile, table } from './statistics.mjs';

/** Starts that are not measured, until the code of cold starts is compiled. */
const WARM_UPS = 10;
const STARTS = 25;
/** Pause before each start, because the engine is still busy with the container before. */
const PAUSE_MS = 700;

/**
 * The first call of a function through the whole path, against the engine alone: the same container, created and
 * started, until the function has answered its first request. The two take turns.
 * @param {import('./trees.mjs').BenchOptions} options
 */
export async function measureColdStart({ undo }) {
  const fleet = await startFleet({ undo });
  const docker = new Docker();
  const warm = await fleet.deploy('warm');
  for (let call = 0; call < 500; call += 1) await callOnce(warm);
  const model = await inspectOne(docker);
  const engine = [];
  const whole = [];
  for (let start = -WARM_UPS; start < STARTS; start += 1) {
    await sleep(PAUSE_MS);
    const bare = await bareStart(docker, model);
    const url = await fleet.deploy(`cold-${start}`, { N: `${start}` });
    await sleep(PAUSE_MS);
    const first = await callOnce(url);
    if (start < 0) continue;
    engine.push(bare);
    whole.push(first);
  }
  const difference = median(whole) - median(engine);
  return table(
    ['', 'p50 ms', 'p90 ms'],
    [
      ['engine: create, start, first answer', ms(median(engine)), ms(quantile(engine, 0.9))],
      ['first call through the whole path', ms(median(whole)), ms(quantile(whole, 0.9))],
      ['difference', ms(difference), ms(quantile(whole, 0.9) - quantile(engine, 0.9))],
    ],
  );
}

/**
 * A container that the fleet has made, as a model for those of `bareStart`.
 * @param {Docker} docker
 */
async function inspectOne(docker) {
  const [found] = await docker.listContainers({ filters: { ancestor: [IMAGE] } });
  if (found === undefined) throw new Error(`the fleet has made no container of ${IMAGE}`);
  return docker.getContainer(found.Id).inspect();
}

/**
 * @param {Docker} docker
 * @param {Docker.ContainerInspectInfo} model
 * @returns {Promise<number>} milliseconds until the function has answered its first request
 */
async function bareStart(docker, { Config, HostConfig }) {
  const directory = mkdtempSync(path.join(tmpdir(), 'bench'));
  chmodSync(directory, 0o777);
  const socketPath = path.join(directory, 'lsnr.sock');
  const watcher = watch(directory);
  const from = performance.now();
  const container = await docker.createContainer({
    ...Config,
    Labels: {},
    HostConfig: { ...HostConfig, Binds: [`${directory}:/tmp/iofs`] },
  });
  try {
    await container.start();
    while (!existsSync(socketPath)) await new Promise((resolve) => watcher.once('change', resolve));
    await callOnce('http://localhost/call', { socketPath });
    return performance.now() - from;
  } finally {
    watcher.close();
    await container.remove({ force: true, v: true });
    rmSync(directory, { recursive: true });
  }
}

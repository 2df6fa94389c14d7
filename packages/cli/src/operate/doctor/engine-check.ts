import type { SettingsOf } from '@fnfleet/core';
import { ENGINE_DISK_REMEDY, ENGINE_NEED, type EngineReport, inspectEngine, tryFreezer } from '@fnfleet/drivers';
import type { driverSettings } from '@fnfleet/node/roles';
import { type Finding, ok, warn } from './finding.js';
import { diskFinding } from './machine-checks.js';

type EngineSettings = SettingsOf<typeof driverSettings>;

/**
 * Checks the Docker engine, its disk, and whether its containers can be frozen.
 * @throws Error that says how to fix it, when the engine cannot create containers
 */
export async function checkEngine(settings: EngineSettings): Promise<Finding[]> {
  if (settings.driver === 'process') {
    return [
      warn(
        'engine',
        'functions run as child processes without any isolation',
        'unset FN_DRIVER if untrusted functions run here',
      ),
    ];
  }
  const engine = await inspectEngine(settings);
  const { address, product, version, apiVersion, storageDriver } = engine;
  return [
    ok(
      'engine',
      `${product === 'podman' ? 'Podman' : 'Docker'} ${version} at ${address}, API ${apiVersion}, ${storageDriver}`,
    ),
    await diskOf(engine),
    await freezingOf(engine, settings),
  ];
}

function diskOf({ isLocal, storageRoot }: EngineReport): Promise<Finding> | Finding {
  if (!isLocal || storageRoot === undefined)
    return ok('disk', 'the disk of the engine is on another machine: check it there');
  return diskFinding(storageRoot, ENGINE_NEED, ENGINE_DISK_REMEDY);
}

async function freezingOf(
  { isLocal, cgroupVersion }: EngineReport,
  { freezeThroughEngine, cgroupPath }: EngineSettings,
): Promise<Finding> {
  const version = `cgroup version ${cgroupVersion}`;
  if (freezeThroughEngine) return ok('freezer', `${version}; containers are paused through the engine, as configured`);
  if (!isLocal)
    return ok('freezer', `${version}; containers are paused through the engine, which is on another machine`);
  const trouble = await tryFreezer(cgroupPath);
  if (trouble !== undefined) return warn('freezer', `${version}; ${trouble.what}`, trouble.remedy);
  return ok('freezer', `${version} at ${cgroupPath}; a control group was frozen and thawed`);
}

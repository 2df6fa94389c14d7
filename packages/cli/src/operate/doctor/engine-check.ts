import type { SettingsOf } from '@fnfleet/core';
import { ENGINE_DISK_REMEDY, ENGINE_NEED, type EngineReport, inspectEngine, tryFreezer } from '@fnfleet/drivers';
import type { driverSettings } from '@fnfleet/node/roles';
import { diskFinding } from './disk-check.js';
import { type Finding, ok, warn } from './finding.js';

type EngineSettings = SettingsOf<typeof driverSettings>;

/**
 * The Docker engine, its disk, and whether its containers can be frozen.
 * @throws Error that says what to do, when containers cannot be made with it
 */
export async function checkEngine(settings: EngineSettings): Promise<Finding[]> {
  if (settings.driver === 'process') {
    return [
      warn(
        'engine',
        'functions run as child processes, which isolates them from nothing',
        'unset FN_DRIVER where functions of others run',
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
  if (!isLocal || storageRoot === undefined) return ok('disk', 'that of the engine is on another machine: look there');
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

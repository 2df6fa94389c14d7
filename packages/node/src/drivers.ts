import { choice, type Environment, type Logger, type SettingsOf } from '@fnfleet/core';
import {
  type Driver,
  dockerDriver,
  dockerSettings,
  engineAddress,
  processDriver,
  processSettings,
} from '@fnfleet/drivers';

export const driverSettings = {
  driver: choice('FN_DRIVER', ['docker', 'process'], {
    default: 'docker',
    doc: '`docker` runs functions in containers. `process` runs them as child processes without any isolation.',
  }),
  ...dockerSettings,
  ...processSettings,
} as const;

/** Checks the settings of a driver before it is started. @throws SettingsError */
export function checkDriver(settings: SettingsOf<typeof driverSettings>): void {
  if (settings.driver === 'docker') engineAddress(settings);
}

/** Creates the driver that `FN_DRIVER` selects. */
export function startDriver(
  settings: SettingsOf<typeof driverSettings>,
  { logger, env }: { logger: Logger; env: Environment },
): Driver {
  switch (settings.driver) {
    case 'docker':
      return dockerDriver({ settings, logger });
    case 'process':
      return processDriver({ settings, environment: env, logger });
  }
}

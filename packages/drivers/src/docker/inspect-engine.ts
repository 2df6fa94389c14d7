import { type SettingsOf, systemClock } from '@fnfleet/core';
import { type dockerSettings, limitsOf } from './docker-settings.js';
import { Engine, type EngineVersion } from './engine.js';
import { engineAddress } from './engine-address.js';
import { probeEngine } from './probe-engine.js';

/** Facts about an engine for operators. */
export interface EngineReport {
  readonly address: string;
  readonly product: EngineVersion['product'];
  readonly version: string;
  /** The API version, such as `1.41`. */
  readonly apiVersion: string;
  readonly cgroupVersion: string;
  readonly storageDriver: string;
  /** Where it stores images and containers, on its own machine. */
  readonly storageRoot: string | undefined;
  /** Whether its socket, and therefore its storage, is on this machine. */
  readonly isLocal: boolean;
}

/**
 * Inspects the configured engine, as a runner does when it starts.
 * @throws Error that says what is wrong and what to do
 */
export async function inspectEngine(settings: SettingsOf<typeof dockerSettings>): Promise<EngineReport> {
  const address = engineAddress(settings);
  const engine = new Engine({ address, limits: limitsOf(settings), clock: systemClock });
  try {
    const { version, info } = await probeEngine(engine, address.text);
    return {
      address: address.text,
      product: version.product,
      version: version.engine,
      apiVersion: version.api,
      cgroupVersion: info.CgroupVersion ?? '1',
      storageDriver: info.Driver ?? 'unknown',
      storageRoot: info.DockerRootDir,
      isLocal: address.options.socketPath !== undefined,
    };
  } finally {
    engine.close();
  }
}

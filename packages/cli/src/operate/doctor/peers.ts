import { type Environment, readSettings } from '@fnfleet/core';
import { type DiscoverySettings, discoverySettings, registrationSettings } from '@fnfleet/discovery';

/** The source of the runner list of a fleet, as one of its nodes knows it. */
export interface Peers {
  /** The source in the form that a balancer reads. */
  readonly settings: Partial<DiscoverySettings>;
  /** The setting that names the source. */
  readonly setting: 'FN_RUNNER_ADDRESSES' | 'FN_RUNNER_POOL' | 'FN_REGISTER';
}

/** @returns undefined if no setting of this node names a source */
export function peersOf(env: Environment): Peers | undefined {
  const { runnerAddresses, runnerPool, ...others } = discoverySettings;
  // Only a balancer requires one of the two.
  const settings = readSettings(
    { ...others, runnerAddresses, runnerPool: { ...runnerPool, insteadOf: undefined } },
    env,
  );
  if (settings.runnerPool !== undefined) return { settings, setting: 'FN_RUNNER_POOL' };
  if (settings.runnerAddresses !== undefined) return { settings, setting: 'FN_RUNNER_ADDRESSES' };
  const { register } = readSettings(registrationSettings, env);
  if (register === undefined) return undefined;
  return { settings: { ...settings, runnerPool: withoutTtl(register) }, setting: 'FN_REGISTER' };
}

/** Removes the TTL: only the runner that writes an entry may set how long it lasts. */
function withoutTtl(register: string): string {
  const [place = '', query = ''] = register.split('?');
  const kept = query.split('&').filter((part) => part !== '' && !part.startsWith('ttl='));
  return kept.length === 0 ? place : `${place}?${kept.join('&')}`;
}

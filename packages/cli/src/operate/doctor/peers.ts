import { type Environment, readSettings } from '@fnfleet/core';
import { type DiscoverySettings, discoverySettings, registrationSettings } from '@fnfleet/discovery';

/** Where the runners of a fleet are listed, as far as one of its nodes knows. */
export interface Peers {
  /** As a balancer would have them. */
  readonly settings: Partial<DiscoverySettings>;
  /** The setting that says where. */
  readonly setting: 'FN_RUNNER_ADDRESSES' | 'FN_RUNNER_POOL' | 'FN_REGISTER';
}

/** Undefined: this node has not been told. */
export function peersOf(env: Environment): Peers | undefined {
  const { runnerAddresses, runnerPool, ...others } = discoverySettings;
  // Only a balancer has to have one of the two.
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

/** Only whoever writes an entry may say how long it lasts. */
function withoutTtl(register: string): string {
  const [place = '', query = ''] = register.split('?');
  const kept = query.split('&').filter((part) => part !== '' && !part.startsWith('ttl='));
  return kept.length === 0 ? place : `${place}?${kept.join('&')}`;
}

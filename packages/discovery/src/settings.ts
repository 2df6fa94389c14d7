import { list, type SettingsOf, text } from '@fnfleet/core';
import { pools } from './pool-kinds.js';

/** Where the runners are listed; read by a load balancer. */
export const discoverySettings = {
  runnerAddresses: list('FN_RUNNER_ADDRESSES', {
    defaultText: 'required, or FN_RUNNER_POOL',
    doc: 'Runners that calls are placed on, `host:port` each.',
  }),
  runnerPool: text('FN_RUNNER_POOL', {
    insteadOf: 'FN_RUNNER_ADDRESSES',
    secret: true,
    doc: `Where the runners are listed: ${pools.entries.map(({ form, doc }) => `\`${form}\`, ${doc}`).join('; ')}.`,
  }),
  kubernetesHost: text('KUBERNETES_SERVICE_HOST', {
    doc: 'Set by Kubernetes in every container: where its API is, for a pool of the kind `k8s`.',
  }),
  kubernetesPort: text('KUBERNETES_SERVICE_PORT', { doc: 'Likewise.' }),
} as const;

export type DiscoverySettings = SettingsOf<typeof discoverySettings>;

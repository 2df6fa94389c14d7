import { list, type SettingsOf, text } from '@fnfleet/core';
import { pools } from './pool-kinds.js';

/** The source of the list of runners; for a load balancer. */
export const discoverySettings = {
  runnerAddresses: list('FN_RUNNER_ADDRESSES', {
    defaultText: 'required, or FN_RUNNER_POOL',
    doc: 'Static list of runners: `host:port` each, or `unix:/path` for a runner on this machine with FN_GRPC_SOCKET.',
  }),
  runnerPool: text('FN_RUNNER_POOL', {
    insteadOf: 'FN_RUNNER_ADDRESSES',
    secret: true,
    doc: `Source of the list of runners: ${pools.entries.map(({ form, doc }) => `\`${form}\`, ${doc}`).join('; ')}.`,
  }),
  kubernetesHost: text('KUBERNETES_SERVICE_HOST', {
    doc: 'Host of the Kubernetes API, for a `k8s` pool. Kubernetes sets it in every container.',
  }),
  kubernetesPort: text('KUBERNETES_SERVICE_PORT', { doc: 'Port of the Kubernetes API, also set by Kubernetes.' }),
} as const;

export type DiscoverySettings = SettingsOf<typeof discoverySettings>;

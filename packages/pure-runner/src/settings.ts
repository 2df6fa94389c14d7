import { integer } from '@fnfleet/core';
import { logSettings } from './logs/log-settings.js';

export const pureRunnerSettings = {
  ...logSettings,
  grpcPort: integer('FN_GRPC_PORT', {
    default: 9190,
    min: 0,
    max: 65535,
    doc: 'Port of the gRPC service. 0 takes a free one.',
  }),
  maxStreams: integer('FN_GRPC_MAX_STREAMS', {
    default: 65_536,
    min: 1,
    max: 2 ** 31 - 1,
    doc: 'Engagements one balancer connection may have open. A balancer uses one connection, so a low limit makes it wait without a word.',
  }),
} as const;

import { flag, integer, text } from '@fnfleet/core';
import { logSettings } from './logs/log-settings.js';

export const pureRunnerSettings = {
  ...logSettings,
  grpcPort: integer('FN_GRPC_PORT', {
    default: 9190,
    min: 0,
    max: 65535,
    doc: 'Port of the gRPC service. 0 takes a free one.',
  }),
  runnerName: text('FN_RUNNER_NAME', {
    defaultText: 'the host name and the port of the gRPC service',
    doc: 'What operators call this runner. Each runner of a fleet needs a name of its own.',
  }),
  maxStreams: integer('FN_GRPC_MAX_STREAMS', {
    default: 65_536,
    min: 1,
    max: 2 ** 31 - 1,
    doc: 'Engagements that may be open, on one connection and over all of them. Beyond it they are refused, and balancers offer the calls to other runners.',
  }),
  maxGrpcConnections: integer('FN_GRPC_MAX_CONNECTIONS', {
    default: 1024,
    min: 1,
    doc: 'Connections that the gRPC port takes at a time. A balancer needs one. With more, the oldest that has not said a word yet is closed, or else the new one.',
  }),
  maxGrpcConnectionsPerAddress: integer('FN_GRPC_MAX_CONNECTIONS_PER_ADDRESS', {
    default: 256,
    min: 1,
    doc: 'Of these, how many may come from one address.',
  }),
  statusImage: text('FN_STATUS_IMAGE', {
    doc: 'Image that is run to answer `Status` (without memory or CPU of its own, results serve for 1.5 s). Functions may not use it. Unset: `Status` has counters and load only.',
  }),
  networkBarrier: text('FN_NETWORK_BARRIER_PATH', {
    doc: 'Path that exists when the network of containers is up. Until it does the status image runs without network, and `Status` says so.',
  }),
  kdumpsPath: text('FN_KDUMPS_PATH', {
    doc: 'Directory of kernel crash dumps. With a status image, `Status` tells how many entries it has.',
  }),
  balancerKeepaliveTimeoutMs: integer('FN_BALANCER_KEEPALIVE_TIMEOUT_MSECS', {
    formerly: 'FN_BALANCER_SILENCE_MSECS',
    default: 20_000,
    min: 400,
    doc: 'Milliseconds after which a balancer that does not answer a keepalive PING is considered lost. Its calls end, so that they do not occupy containers.',
  }),
  detached: flag('FN_ENABLE_DETACHED', {
    default: false,
    doc: 'Take detached calls (`Fn-Invoke-Type: detached`): answered 202 when they start to run. They end with the balancer that placed them. Off: 501.',
  }),
} as const;

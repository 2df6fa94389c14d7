import { bytes, flag, integer, MIB, problemOfUnixAddress, structured, text, unixPathOf } from '@fnfleet/core';

export const logSettings = {
  logBufferBytes: bytes('FN_LOG_BUFFER_BYTES', {
    default: 4 * MIB,
    doc: 'Memory for the latest output of functions, which `fnfleet logs` shows first. Each log collector has a buffer of the same size and loses its oldest lines when it is too slow.',
  }),
  maxLogCollectors: integer('FN_MAX_LOG_COLLECTORS', {
    default: 32,
    min: 0,
    doc: 'How many log collectors a runner serves at a time, including `fnfleet logs`.',
  }),
} as const;

export const pureRunnerSettings = {
  ...logSettings,
  grpcPort: integer('FN_GRPC_PORT', {
    default: 9190,
    min: 0,
    max: 65535,
    doc: 'Port of the gRPC service. 0 selects a free port.',
  }),
  grpcSocket: structured('FN_GRPC_SOCKET', '`unix:/path`', socketPath, {
    doc: 'Unix socket of the gRPC service, in place of FN_GRPC_PORT: for balancers on the same machine, which list it in FN_RUNNER_ADDRESSES. Only the user of the runner and root may connect. The directory is created if it does not exist.',
  }),
  runnerName: text('FN_RUNNER_NAME', {
    defaultText: 'the host name and the port or socket of the gRPC service',
    doc: 'Name of this runner for operators. It must be unique in the fleet.',
  }),
  maxStreams: integer('FN_GRPC_MAX_STREAMS', {
    default: 65_536,
    min: 1,
    max: 2 ** 31 - 1,
    doc: 'How many engagements may be open, per connection and in total. Beyond this they are refused, and balancers offer the calls to other runners.',
  }),
  maxGrpcConnections: integer('FN_GRPC_MAX_CONNECTIONS', {
    default: 1024,
    min: 1,
    doc: 'How many connections the gRPC port accepts at a time. A balancer needs one. Beyond this, the oldest connection that has not sent anything is closed, or else the new one.',
  }),
  maxGrpcConnectionsPerAddress: integer('FN_GRPC_MAX_CONNECTIONS_PER_ADDRESS', {
    default: 256,
    min: 1,
    doc: 'How many of these may come from one address; all that come over FN_GRPC_SOCKET count as one.',
  }),
  statusImage: text('FN_STATUS_IMAGE', {
    doc: 'Image that is run to answer `Status` (it reserves no memory or CPU; results are cached for 1.5 s). Functions cannot use it. Unset: `Status` has only counters and load.',
  }),
  networkBarrier: text('FN_NETWORK_BARRIER_PATH', {
    doc: 'Path that exists once the container network is up. Until then the status image runs without network, and `Status` reports it.',
  }),
  kdumpsPath: text('FN_KDUMPS_PATH', {
    doc: 'Directory of kernel crash dumps. With a status image, `Status` reports the number of its entries.',
  }),
  balancerKeepaliveTimeoutMs: integer('FN_BALANCER_KEEPALIVE_TIMEOUT_MSECS', {
    formerly: 'FN_BALANCER_SILENCE_MSECS',
    default: 20_000,
    min: 400,
    doc: 'Milliseconds after which a balancer that does not answer a keepalive PING is considered lost. Its calls end, so that they do not occupy containers.',
  }),
  detached: flag('FN_ENABLE_DETACHED', {
    default: false,
    doc: 'Accept detached calls (`Fn-Invoke-Type: detached`), which are answered with 202 when they start. They end when the balancer that placed them ends. Off: 501.',
  }),
} as const;

/** @returns the path. @throws Error */
function socketPath(address: string): string {
  const path = unixPathOf(address);
  const problem = problemOfUnixAddress(address);
  if (path === undefined || problem !== undefined) throw new Error(problem);
  return path;
}

import { MIB } from '@fnfleet/core';
import type { ContainerCreateOptions, HostConfig } from 'dockerode';
import type { ContainerSpec } from '../driver.js';
import type { ContainerPolicy } from './container-policy.js';

/** Where the socket directory is mounted in the container of a function. */
const IOFS_MOUNT = '/tmp/iofs';
/** Not root, and the same for all images, whatever user they specify. */
const FUNCTION_USER = '1000:1000';
const CPU_PERIOD_US = 100_000;
/** The minimums of an engine, below which it does not create a container. */
const MIN_MEMORY_MB = 6;
const MIN_CPU_QUOTA_US = 1_000;

/** Properties of one container that are not in its spec. */
export interface ContainerSetting {
  /** The socket directory, by its path for the engine. */
  readonly iofsDirectory: string;
  readonly network: string | undefined;
  /** Published on the loopback address, for a debugger. */
  readonly debugPort?: number | undefined;
}

/** The request to create the container of a function. Command, entry point and working directory are those of the image. */
export function createRequest(
  spec: ContainerSpec,
  policy: ContainerPolicy,
  { iofsDirectory, network, debugPort }: ContainerSetting,
): ContainerCreateOptions {
  const networkMode = spec.networkDisabled ? 'none' : network;
  const { User, Healthcheck, HostConfig } = confinement(policy);
  return {
    name: spec.id,
    Image: spec.image,
    Env: Object.entries(spec.env).map(([key, value]) => `${key}=${value}`),
    Labels: { ...policy.labels, 'fn-app-id': spec.appId, 'fn-fn-id': spec.fnId },
    AttachStdin: false,
    AttachStdout: spec.output !== undefined,
    AttachStderr: spec.output !== undefined,
    OpenStdin: false,
    StdinOnce: false,
    // With an explicit network mode a host name cannot be set.
    ...(networkMode === undefined ? { Hostname: policy.hostname } : {}),
    ...(User === undefined ? {} : { User }),
    Healthcheck,
    ...(debugPort === undefined ? {} : { ExposedPorts: { [`${debugPort}/tcp`]: {} } }),
    HostConfig: {
      ...HostConfig,
      // An init process reaps orphaned processes and forwards signals.
      Init: true,
      Binds: [`${iofsDirectory}:${IOFS_MOUNT}`],
      LogConfig: logConfig(spec),
      ...(networkMode === undefined ? {} : { NetworkMode: networkMode }),
      ...(debugPort === undefined ? {} : { PortBindings: published(debugPort) }),
      ...(policy.runtime === undefined ? {} : { Runtime: policy.runtime }),
      ...memoryLimits(spec, policy),
      ...(spec.cpuMillis === 0 ? {} : { CpuQuota: quotaOf(spec.cpuMillis), CpuPeriod: CPU_PERIOD_US }),
      ...tmpfs(spec, policy),
      ...(policy.maxFsSizeMb === 0 ? {} : { StorageOpt: { size: `${policy.maxFsSizeMb}M` } }),
      Ulimits: ulimits(policy),
    },
  };
}

interface Confinement {
  readonly User?: string;
  readonly Healthcheck: ContainerCreateOptions['Healthcheck'];
  readonly HostConfig: HostConfig;
}

/** Disables the health checks of images: they would run in idle containers, and fail in frozen ones. */
const NO_CHECKS: Confinement['Healthcheck'] = { Test: ['NONE'] };

/** The isolation of every container that we create. */
export function confinement(policy: ContainerPolicy): Confinement {
  return {
    ...(policy.unprivileged ? { User: FUNCTION_USER } : {}),
    Healthcheck: NO_CHECKS,
    HostConfig: {
      ReadonlyRootfs: policy.readonlyRoot,
      ...(policy.unprivileged ? { CapDrop: ['all'] } : {}),
      ...securityOptions(policy),
      ...(policy.usernsMode === undefined ? {} : { UsernsMode: policy.usernsMode }),
      ...(policy.maxPids === 0 ? {} : { PidsLimit: policy.maxPids }),
    },
  };
}

/** Published on the loopback address of the engine only, because a debugger may do anything. */
function published(port: number): HostConfig['PortBindings'] {
  return { [`${port}/tcp`]: [{ HostIp: '127.0.0.1', HostPort: `${port}` }] };
}

/** Equal limits with and without swap disable swap. */
function memoryLimits({ memoryMb }: ContainerSpec, policy: ContainerPolicy): HostConfig {
  if (memoryMb === 0) return {};
  const limit = Math.max(memoryMb, MIN_MEMORY_MB) * MIB;
  return {
    Memory: limit,
    MemorySwap: limit,
    ...(policy.limitsSwappiness ? { MemorySwappiness: 0 } : {}),
    ...(policy.limitsKernelMemory ? { KernelMemory: limit } : {}),
  };
}

function quotaOf(cpuMillis: number): number {
  return Math.max(cpuMillis * (CPU_PERIOD_US / 1000), MIN_CPU_QUOTA_US);
}

/** A writable root needs no separate /tmp, unless its size is limited. */
function tmpfs({ tmpfsMb }: ContainerSpec, policy: ContainerPolicy): HostConfig {
  if (tmpfsMb === 0) return policy.readonlyRoot ? { Tmpfs: { '/tmp': '' } } : {};
  const inodes = policy.maxTmpfsInodes === 0 ? '' : `,nr_inodes=${policy.maxTmpfsInodes}`;
  return { Tmpfs: { '/tmp': `size=${tmpfsMb}m${inodes}` } };
}

function logConfig({ syslogUrl, appId, fnId }: ContainerSpec): HostConfig['LogConfig'] {
  const address = syslogUrl.trim();
  if (address === '') return { Type: 'none', Config: {} };
  return {
    Type: 'syslog',
    Config: {
      'syslog-address': address,
      'syslog-facility': 'user',
      'syslog-format': 'rfc5424',
      tag: `app_id=${appId},fn_id=${fnId}`,
    },
  };
}

function securityOptions({ unprivileged, securityOptions }: ContainerPolicy): HostConfig {
  const options = [...(unprivileged ? ['no-new-privileges'] : []), ...securityOptions];
  return options.length === 0 ? {} : { SecurityOpt: options };
}

function ulimits({ processLimits }: ContainerPolicy): HostConfig['Ulimits'] {
  return Object.entries(processLimits)
    .filter(([, value]) => Number.isFinite(value))
    .map(([Name, value]) => ({ Name, Soft: value, Hard: value }));
}

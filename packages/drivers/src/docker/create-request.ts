import { MIB } from '@fnfleet/core';
import type { ContainerCreateOptions, HostConfig } from 'dockerode';
import type { ContainerSpec } from '../driver.js';
import type { ContainerPolicy } from './container-policy.js';

/** Where a function finds the directory of its socket. */
const IOFS_MOUNT = '/tmp/iofs';
/** Apart from root, and the same for all images, whatever user they name. */
const FUNCTION_USER = '1000:1000';
const CPU_PERIOD_US = 100_000;
/** What an engine gives at least: with less it makes no container. */
const MIN_MEMORY_MB = 6;
const MIN_CPU_QUOTA_US = 1_000;

/** What belongs to one container beyond its spec. */
export interface ContainerSetting {
  /** The directory of the socket, by the path that the engine knows. */
  readonly iofsDirectory: string;
  readonly network: string | undefined;
  /** Published on the loopback address, for a debugger. */
  readonly debugPort?: number | undefined;
}

/** The request that makes a container for a function. Command, entry point and working directory stay the image's own. */
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
    // A container in a network of its own choice cannot be given a host name.
    ...(networkMode === undefined ? { Hostname: policy.hostname } : {}),
    ...(User === undefined ? {} : { User }),
    Healthcheck,
    ...(debugPort === undefined ? {} : { ExposedPorts: { [`${debugPort}/tcp`]: {} } }),
    HostConfig: {
      ...HostConfig,
      // Reaps what functions leave behind, and passes signals on.
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

/** Those of an image would run in a container that is idle, and fail in one that is frozen. */
const NO_CHECKS: Confinement['Healthcheck'] = { Test: ['NONE'] };

/** What keeps any container of ours in, whatever it is for. */
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

/** To the machine of the engine alone: a debugger may do anything. */
function published(port: number): HostConfig['PortBindings'] {
  return { [`${port}/tcp`]: [{ HostIp: '127.0.0.1', HostPort: `${port}` }] };
}

/** Equal limits with and without swap: no swap. */
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

/** A writable root needs no /tmp of its own, unless one of a given size was asked for. */
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

import { hostname } from 'node:os';
import path from 'node:path';
import { type Logger, readSmallFile } from '@fnfleet/core';
import type { IsolationSettings } from './docker-settings.js';
import type { EngineInfo, EngineVersion } from './engine.js';

/** Properties of all containers of a driver. */
export interface ContainerPolicy {
  readonly unprivileged: boolean;
  readonly readonlyRoot: boolean;
  readonly runtime: string | undefined;
  readonly usernsMode: string | undefined;
  /** In the format of the engine; `no-new-privileges` is added for unprivileged containers. */
  readonly securityOptions: readonly string[];
  readonly maxFsSizeMb: number;
  readonly maxTmpfsInodes: number;
  readonly maxPids: number;
  /** Limits of one process, by the name of the resource. Infinity: not set. */
  readonly processLimits: Readonly<Record<string, number>>;
  /** The host name of the runner. */
  readonly hostname: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Not needed with cgroup v2, and rejected by newer engines. */
  readonly limitsSwappiness: boolean;
  readonly limitsKernelMemory: boolean;
}

interface PolicyOptions {
  readonly labels: ContainerPolicy['labels'];
  readonly logger: Logger;
  readonly product: EngineVersion['product'];
}

/**
 * Derives the policy from the settings. What this engine does not support is reported here, at start, and not at every call.
 * @throws Error that names the setting
 */
export async function containerPolicy(
  settings: IsolationSettings,
  info: EngineInfo,
  { labels, logger, product }: PolicyOptions,
): Promise<ContainerPolicy> {
  checkRuntime(settings, info);
  checkTmpfsInodes(settings, product);
  checkFsSize(settings, info);
  const onCgroupV1 = (info.CgroupVersion ?? '1') === '1';
  return {
    unprivileged: !settings.disableUnprivileged,
    readonlyRoot: !settings.disableReadonlyRoot,
    runtime: settings.runtime,
    usernsMode: settings.usernsMode,
    securityOptions: await securityOptions(settings, info, product),
    maxFsSizeMb: settings.maxFsSizeMb,
    maxTmpfsInodes: settings.maxTmpfsInodes,
    maxPids: settings.maxPids,
    processLimits: processLimits(settings, logger),
    hostname: hostname(),
    labels,
    limitsSwappiness: onCgroupV1,
    limitsKernelMemory: onCgroupV1 && (info.KernelMemory ?? false),
  };
}

function checkRuntime({ runtime }: IsolationSettings, info: EngineInfo): void {
  const known = Object.keys(info.Runtimes ?? {});
  if (runtime === undefined || known.includes(runtime)) return;
  throw new Error(
    `FN_DOCKER_RUNTIME: expected a runtime of the engine (${known.join(', ')}), got ${JSON.stringify(runtime)}`,
  );
}

/** Podman lacks the mount option, and would reject each container with a /tmp of limited size. */
function checkTmpfsInodes({ maxTmpfsInodes }: IsolationSettings, product: EngineVersion['product']): void {
  if (maxTmpfsInodes === 0 || product !== 'podman') return;
  throw new Error(
    'FN_MAX_TMPFS_INODES: Podman cannot limit the number of files in /tmp. Leave it unset; tmpfs_size limits their size',
  );
}

/** The engine would reject each container. Whether xfs has quotas enabled is not reported. */
function checkFsSize({ maxFsSizeMb }: IsolationSettings, info: EngineInfo): void {
  const [, backing] = info.DriverStatus?.find(([key]) => key === 'Backing Filesystem') ?? [];
  if (maxFsSizeMb === 0 || info.Driver !== 'overlay2' || backing === undefined || backing === 'xfs') return;
  throw new Error(
    `FN_MAX_FS_SIZE_MB: this engine cannot limit the root file system: overlay2 requires xfs with pquota, but is on ${backing}. ` +
      'Leave it unset; functions cannot write to the root file system unless FN_DISABLE_READONLY_ROOTFS is set.',
  );
}

async function securityOptions(
  settings: IsolationSettings,
  info: EngineInfo,
  product: EngineVersion['product'],
): Promise<string[]> {
  const { seccompProfile, appArmorProfile } = settings;
  const options: string[] = [];
  if (seccompProfile !== undefined) {
    requireSecurity(info, 'seccomp', 'FN_DOCKER_SECCOMP_PROFILE');
    const profile = await readSeccompProfile(seccompProfile);
    // Podman reads the file itself, on its own machine.
    options.push(`seccomp=${product === 'podman' ? path.resolve(seccompProfile) : profile}`);
  }
  if (appArmorProfile !== undefined) {
    requireSecurity(info, 'apparmor', 'FN_DOCKER_APPARMOR_PROFILE');
    options.push(`apparmor=${appArmorProfile}`);
  }
  return options;
}

function requireSecurity({ SecurityOptions }: EngineInfo, name: string, variable: string): void {
  const has = SecurityOptions?.some((option) => option.split(',').includes(`name=${name}`));
  if (!has) throw new Error(`${variable}: this engine does not support ${name}`);
}

function processLimits(settings: IsolationSettings, logger: Logger): Record<string, number> {
  const limits = {
    nofile: settings.maxOpenFiles,
    memlock: settings.maxLockedMemoryBytes,
    sigpending: settings.maxPendingSignals,
    msgqueue: settings.maxMessageQueueBytes,
  };
  for (const [resource, value] of Object.entries(limits)) {
    if (value === Number.POSITIVE_INFINITY) logger.warn('a limit is too large for Docker and is ignored', { resource });
  }
  return limits;
}

const EXPECTED = 'FN_DOCKER_SECCOMP_PROFILE: expected a file with {"defaultAction": "SCMP_ACT_…", "syscalls": […]}';

/**
 * Reads a seccomp profile. The engine gets its content, because it may be on another machine.
 * @throws Error when it cannot be read or is invalid
 */
async function readSeccompProfile(path: string): Promise<string> {
  const text = await readSmallFile(path).catch((cause: Error) => {
    throw new Error(`${EXPECTED}, got ${JSON.stringify(path)}: ${cause.message}`, { cause });
  });
  const profile = parse(text, path);
  // The engine accepts any object, and without a default action every container would fail to start.
  if (!/^SCMP_ACT_[A-Z_]+$/.test(String(profile?.defaultAction))) {
    throw new Error(`${EXPECTED}, got ${JSON.stringify(path)}: it has no valid defaultAction`);
  }
  return JSON.stringify(profile);
}

function parse(text: string, path: string): { readonly defaultAction?: unknown } | null {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new Error(`${EXPECTED}, got ${JSON.stringify(path)}: ${(cause as Error).message}`, { cause });
  }
}

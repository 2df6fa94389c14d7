import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Environment, readSettings, silentLogger } from '@fnfleet/core';
import { containerPolicy } from './container-policy.js';
import { isolationSettings } from './docker-settings.js';
import type { EngineInfo, EngineVersion } from './engine.js';

describe('the policy for all containers', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'fnc'));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const everything: EngineInfo = {
    CgroupVersion: '1',
    KernelMemory: true,
    Runtimes: { runc: {}, runsc: {} },
    SecurityOptions: ['name=apparmor', 'name=seccomp,profile=default'],
    Driver: 'overlay2',
    DriverStatus: [['Backing Filesystem', 'xfs']],
  };
  const policy = (
    env: Environment,
    info: EngineInfo = everything,
    logger = silentLogger,
    product: EngineVersion['product'] = 'docker',
  ) => containerPolicy(readSettings(isolationSettings, env), info, { labels: {}, logger, product });

  async function profile(content: string): Promise<string> {
    const path = join(folder, 'profile.json');
    await writeFile(path, content);
    return path;
  }

  it('follows the settings', async () => {
    const path = await profile('{\n  "defaultAction": "SCMP_ACT_ERRNO",\n  "syscalls": []\n}\n');
    expect(
      await policy({
        FN_DOCKER_SECCOMP_PROFILE: path,
        FN_DOCKER_APPARMOR_PROFILE: 'functions',
        FN_DOCKER_RUNTIME: 'runsc',
        FN_DOCKER_USERNS_MODE: 'host',
        FN_MAX_FS_SIZE_MB: '20',
        FN_MAX_OPEN_FILES: '7',
      }),
    ).toMatchObject({
      securityOptions: ['seccomp={"defaultAction":"SCMP_ACT_ERRNO","syscalls":[]}', 'apparmor=functions'],
      runtime: 'runsc',
      usernsMode: 'host',
      maxFsSizeMb: 20,
      processLimits: { nofile: 7, memlock: 65_536, sigpending: 5_000, msgqueue: 819_200 },
    });
  });

  it('passes Podman the path of a seccomp profile, which it reads itself', async () => {
    const path = await profile('{ "defaultAction": "SCMP_ACT_ERRNO", "syscalls": [] }');
    expect(await policy({ FN_DOCKER_SECCOMP_PROFILE: path }, everything, silentLogger, 'podman')).toMatchObject({
      securityOptions: [`seccomp=${path}`],
    });
  });

  it('limits the files of a /tmp, which Podman cannot', async () => {
    const env = { FN_MAX_TMPFS_INODES: '100' };
    expect(await policy(env)).toMatchObject({ maxTmpfsInodes: 100 });
    await expect(policy(env, everything, silentLogger, 'podman')).rejects.toThrow(
      'FN_MAX_TMPFS_INODES: Podman cannot limit the number of files in /tmp',
    );
    expect(await policy({}, everything, silentLogger, 'podman')).toMatchObject({ maxTmpfsInodes: 0 });
  });

  it('agent-and-docker 51: limits kernel memory and swappiness only if the engine supports it', async () => {
    const features = async (info: EngineInfo) => {
      const { limitsSwappiness, limitsKernelMemory } = await policy({}, info);
      return [limitsSwappiness, limitsKernelMemory];
    };
    expect(await features(everything)).toEqual([true, true]);
    expect(await features({ CgroupVersion: '1' })).toEqual([true, false]);
    expect(await features({ CgroupVersion: '2', KernelMemory: true })).toEqual([false, false]);
  });

  it('agent-and-docker 52: ignores a limit that is too large for the engine, with a warning', async () => {
    const warnings: unknown[] = [];
    const logger = { ...silentLogger, warn: (_line: string, fields?: object) => void warnings.push(fields) };
    const { processLimits } = await policy({ FN_MAX_PENDING_SIGNALS: '9223372036854775808' }, everything, logger);
    expect(processLimits.sigpending).toBe(Number.POSITIVE_INFINITY);
    expect(warnings).toEqual([{ resource: 'sigpending' }]);
  });

  it.each`
    story                                                  | env                                            | info                                                   | message
    ${'a runtime that the engine does not have'}           | ${{ FN_DOCKER_RUNTIME: 'crun' }}               | ${{}}                                                  | ${'FN_DOCKER_RUNTIME: expected a runtime of the engine (runc, runsc), got "crun"'}
    ${'an unknown user namespace mode'}                    | ${{ FN_DOCKER_USERNS_MODE: 'remap' }}          | ${{}}                                                  | ${'FN_DOCKER_USERNS_MODE: expected one of host, got "remap"'}
    ${'an AppArmor profile on an engine without AppArmor'} | ${{ FN_DOCKER_APPARMOR_PROFILE: 'x' }}         | ${{ SecurityOptions: ['name=seccomp'] }}               | ${'FN_DOCKER_APPARMOR_PROFILE: this engine does not support apparmor'}
    ${'a seccomp profile on an engine without seccomp'}    | ${{ FN_DOCKER_SECCOMP_PROFILE: 'any' }}        | ${{ SecurityOptions: [] }}                             | ${'FN_DOCKER_SECCOMP_PROFILE: this engine does not support seccomp'}
    ${'seccomp disabled'}                                  | ${{ FN_DOCKER_SECCOMP_PROFILE: 'unconfined' }} | ${{}}                                                  | ${'got "unconfined": ENOENT'}
    ${'a root file system of limited size'}                | ${{ FN_MAX_FS_SIZE_MB: '1' }}                  | ${{ DriverStatus: [['Backing Filesystem', 'extfs']] }} | ${'FN_MAX_FS_SIZE_MB: this engine cannot limit the root file system: overlay2 requires xfs with pquota, but is on extfs'}
  `('rejects $story', async ({ env, info, message }) => {
    await expect(async () => policy(env, { ...everything, ...info })).rejects.toThrow(message);
  });

  it.each(['[]', '"text"', 'null', '{}', '{"defaultAction": "allow"}', '{', ''])(
    'rejects %p as a seccomp profile',
    async (content) => {
      const path = await profile(content);
      await expect(policy({ FN_DOCKER_SECCOMP_PROFILE: path })).rejects.toThrow(
        `FN_DOCKER_SECCOMP_PROFILE: expected a file with {"defaultAction": "SCMP_ACT_…", "syscalls": […]}, got "${path}": `,
      );
    },
  );
});

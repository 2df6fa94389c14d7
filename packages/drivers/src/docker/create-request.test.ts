import { aSpec } from '../testing/describe-driver.js';
import type { ContainerPolicy } from './container-policy.js';
import { createRequest } from './create-request.js';

const policy: ContainerPolicy = {
  unprivileged: true,
  readonlyRoot: true,
  runtime: undefined,
  usernsMode: undefined,
  securityOptions: [],
  maxFsSizeMb: 0,
  maxTmpfsInodes: 0,
  maxPids: 50,
  processLimits: { nofile: 350, memlock: 65_536, sigpending: 5_000, msgqueue: 819_200 },
  hostname: 'runner-1',
  labels: { 'fn-agent-classifier': 'fnfleet', 'fn-agent-instance': 'me' },
  limitsSwappiness: true,
  limitsKernelMemory: true,
};
const place = { iofsDirectory: '/on/the/host/iofs1', network: undefined };

describe('the request to create a container', () => {
  it('agent-and-docker 65: contains no extensions of the call', () => {
    const spec = aSpec({ extensions: { FN_REGISTRY_TOKEN: 's3cret' } });
    expect(JSON.stringify(createRequest(spec, policy, place))).not.toMatch(/s3cret|FN_REGISTRY_TOKEN/);
  });

  it('agent-and-docker 51, 52: isolates a function', () => {
    const spec = aSpec({ id: 'c1', image: 'a/b:1', memoryMb: 64, env: { KEY: 'a=b' } });
    expect(createRequest(spec, policy, place)).toEqual({
      name: 'c1',
      Image: 'a/b:1',
      Env: ['FN_FORMAT=http-stream', 'FN_LISTENER=unix:/tmp/iofs/lsnr.sock', 'KEY=a=b'],
      Labels: { ...policy.labels, 'fn-app-id': 'app', 'fn-fn-id': 'fn' },
      AttachStdin: false,
      AttachStdout: false,
      AttachStderr: false,
      OpenStdin: false,
      StdinOnce: false,
      Hostname: 'runner-1',
      User: '1000:1000',
      // Whatever the image defines.
      Healthcheck: { Test: ['NONE'] },
      HostConfig: {
        Init: true,
        ReadonlyRootfs: true,
        Binds: ['/on/the/host/iofs1:/tmp/iofs'],
        LogConfig: { Type: 'none', Config: {} },
        CapDrop: ['all'],
        SecurityOpt: ['no-new-privileges'],
        Memory: 67_108_864,
        MemorySwap: 67_108_864,
        MemorySwappiness: 0,
        KernelMemory: 67_108_864,
        Tmpfs: { '/tmp': '' },
        PidsLimit: 50,
        Ulimits: [
          { Name: 'nofile', Soft: 350, Hard: 350 },
          { Name: 'memlock', Soft: 65_536, Hard: 65_536 },
          { Name: 'sigpending', Soft: 5_000, Hard: 5_000 },
          { Name: 'msgqueue', Soft: 819_200, Hard: 819_200 },
        ],
      },
    });
  });

  it('publishes the port of a debugger on the loopback address alone', () => {
    const request = createRequest(aSpec({}), policy, { ...place, debugPort: 5678 });
    expect(request.ExposedPorts).toEqual({ '5678/tcp': {} });
    expect(request.HostConfig?.PortBindings).toEqual({ '5678/tcp': [{ HostIp: '127.0.0.1', HostPort: '5678' }] });
  });

  it('raises the limits of a function to the minimums of the engine', () => {
    const { HostConfig } = createRequest(aSpec({ memoryMb: 1, cpuMillis: 1 }), policy, place);
    expect(HostConfig).toMatchObject({ Memory: 6 * 1024 * 1024, MemorySwap: 6 * 1024 * 1024, CpuQuota: 1_000 });
  });

  it('agent-and-docker 51: omits kernel memory and swappiness if the engine uses cgroup v2', () => {
    const onV2 = { ...policy, limitsSwappiness: false, limitsKernelMemory: false };
    const { HostConfig } = createRequest(aSpec({ memoryMb: 64 }), onV2, place);
    expect(HostConfig).toMatchObject({ Memory: 67_108_864, MemorySwap: 67_108_864 });
    expect(HostConfig).not.toHaveProperty('MemorySwappiness');
    expect(HostConfig).not.toHaveProperty('KernelMemory');
  });

  it('sets no limit where there is none', () => {
    const free = { ...policy, unprivileged: false, readonlyRoot: false, maxPids: 0 };
    const request = createRequest(aSpec({ memoryMb: 0 }), free, place);
    for (const field of ['Memory', 'MemorySwap', 'KernelMemory', 'CpuQuota', 'PidsLimit', 'Tmpfs', 'CapDrop']) {
      expect(request.HostConfig).not.toHaveProperty(field);
    }
    expect(request).not.toHaveProperty('User');
  });

  it('has a runtime, user namespace and security profiles only if configured', () => {
    const chosen = { ...policy, runtime: 'crun', usernsMode: 'host', securityOptions: ['seccomp={}'] };
    expect(createRequest(aSpec({}), chosen, place).HostConfig).toMatchObject({
      Runtime: 'crun',
      UsernsMode: 'host',
      SecurityOpt: ['no-new-privileges', 'seccomp={}'],
    });
    const privileged = createRequest(aSpec({}), { ...chosen, unprivileged: false }, place);
    expect(privileged.HostConfig?.SecurityOpt).toEqual(['seccomp={}']);
  });

  it('agent-and-docker 52: leaves out a limit that is larger than Docker knows', () => {
    const { HostConfig } = createRequest(
      aSpec({}),
      { ...policy, processLimits: { nofile: Number.POSITIVE_INFINITY, memlock: 1 } },
      place,
    );
    expect(HostConfig?.Ulimits).toEqual([{ Name: 'memlock', Soft: 1, Hard: 1 }]);
  });

  it.each`
    tmpfsMb | inodes  | readonlyRoot | options
    ${0}    | ${0}    | ${true}      | ${''}
    ${0}    | ${1025} | ${true}      | ${''}
    ${1}    | ${0}    | ${false}     | ${'size=1m'}
    ${1}    | ${1025} | ${true}      | ${'size=1m,nr_inodes=1025'}
  `(
    'agent-and-docker 53: $tmpfsMb MB and $inodes inodes are "$options"',
    ({ tmpfsMb, inodes, readonlyRoot, options }) => {
      const { HostConfig } = createRequest(
        aSpec({ tmpfsMb }),
        { ...policy, readonlyRoot, maxTmpfsInodes: inodes },
        place,
      );
      expect(HostConfig?.Tmpfs).toEqual({ '/tmp': options });
    },
  );

  it('agent-and-docker 54: turns thousandths of a core into a quota', () => {
    expect(createRequest(aSpec({ cpuMillis: 500 }), policy, place).HostConfig).toMatchObject({
      CpuQuota: 50_000,
      CpuPeriod: 100_000,
    });
  });

  it('limits the root file system only if configured', () => {
    expect(createRequest(aSpec({}), policy, place).HostConfig).not.toHaveProperty('StorageOpt');
    expect(createRequest(aSpec({}), { ...policy, maxFsSizeMb: 20 }, place).HostConfig?.StorageOpt).toEqual({
      size: '20M',
    });
  });

  it('agent-and-docker 55, 59: sets the host name only on the default network', () => {
    const named = createRequest(aSpec({}), policy, { ...place, network: 'blue' });
    expect(named.HostConfig?.NetworkMode).toBe('blue');
    expect(named).not.toHaveProperty('Hostname');
    const disabled = createRequest(aSpec({ networkDisabled: true }), policy, { ...place, network: 'blue' });
    expect(disabled.HostConfig?.NetworkMode).toBe('none');
  });
});

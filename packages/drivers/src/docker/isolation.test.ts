// needs: docker
// takes: 7 s
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Environment, readSettings } from '@fnfleet/core';
import type { Container, ContainerSpec } from '../driver.js';
import { aSpec } from '../testing/describe-driver.js';
import { callFunction, functionImage } from '../testing/test-functions.js';
import { DockerDriver } from './docker-driver.js';
import { dockerSettings } from './docker-settings.js';

/** What a hostile function finds when it looks around from inside its container. */
describe('a function that tries to escape', () => {
  const never = new AbortController().signal;
  const drivers: DockerDriver[] = [];
  let image: string;
  let folder: string;

  beforeAll(async () => {
    image = await functionImage('probe');
    folder = await mkdtemp(join(tmpdir(), 'fni'));
  }, 60_000);

  afterEach(async () => {
    await Promise.all(drivers.splice(0).map((driver) => driver.close()));
  });

  afterAll(() => rm(folder, { recursive: true }));

  function using(env: Environment): DockerDriver {
    const driver = new DockerDriver({ settings: readSettings(dockerSettings, { FN_IOFS_PATH: folder, ...env }) });
    drivers.push(driver);
    return driver;
  }

  async function running(driver: DockerDriver, overrides: Partial<ContainerSpec> = {}): Promise<Container> {
    const container = await driver.create(aSpec({ image, ...overrides }), never);
    await container.start(never);
    await container.listening(never);
    return container;
  }

  async function ask(container: Container, knobs: object): Promise<Record<string, unknown>> {
    return JSON.parse((await callFunction(container.socketPath, knobs)).body) as Record<string, unknown>;
  }

  const statusFile = { read: ['/proc/self/status'] };
  const textOf = (answer: Record<string, unknown>) => (answer.read as { text: string }[])[0]?.text;

  it('agent-and-docker 52: is user 1000 without capabilities, behind a system call filter, and cannot change that', async () => {
    const container = await running(using({}));
    const answer = await ask(container, { ...statusFile, become: 0, write: [{ path: '/etc/passwd', bytes: 1 }] });
    expect(answer).toMatchObject({
      uid: 1000,
      became: { error: 'EPERM' },
      written: [{ path: '/etc/passwd', error: expect.stringMatching(/^(EROFS|EACCES)$/) }],
    });
    const status = textOf(answer);
    for (const line of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
      expect(status).toMatch(new RegExp(`^${line}:\\s+0+$`, 'm'));
    }
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(status).toMatch(/^Seccomp:\s+2$/m);
  });

  it('sees only its own socket, not those of other functions or the engine', async () => {
    const driver = using({});
    const [curious, other] = await Promise.all([running(driver), running(driver)]);
    const homes = dirname(dirname(other.socketPath));
    const answer = await ask(curious, {
      dial: [other.socketPath, '/var/run/docker.sock', '/run/docker.sock', '/tmp/iofs/lsnr.sock'],
      list: ['/tmp/iofs', homes, dirname(other.socketPath)],
    });
    expect(answer.dialled).toEqual([
      { path: other.socketPath, error: 'ENOENT' },
      { path: '/var/run/docker.sock', error: 'ENOENT' },
      { path: '/run/docker.sock', error: 'ENOENT' },
      { path: '/tmp/iofs/lsnr.sock', connected: true },
    ]);
    expect(answer.listed).toEqual([
      { path: '/tmp/iofs', entries: ['lsnr.sock', 'probe.sock'] },
      { path: homes, error: 'ENOENT' },
      { path: dirname(other.socketPath), error: 'ENOENT' },
    ]);
  });

  it.each(['another function', 'the engine'])('cannot make the runner connect to the socket of %s', async (victim) => {
    const driver = using({});
    const [hostile, other] = await Promise.all([running(driver), running(driver)]);
    const target = victim === 'the engine' ? '/var/run/docker.sock' : other.socketPath;
    expect(await ask(hostile, { swapSocket: target })).toMatchObject({ swapped: { path: target, swapped: true } });
    expect(() => hostile.connect()).toThrow(expect.objectContaining({ code: 'containerInitFailed' }));
    // The container itself still reaches nothing there.
    expect(await ask(other, {})).toMatchObject({ request: 1 });
  });

  it('cannot fill the disk of the runner through its socket directory if that is a tmpfs', async () => {
    const driver = using({ FN_IOFS_TMPFS: '1' });
    if (process.getuid?.() !== 0) return expect(driver.ready).rejects.toThrow(/tmpfs/);
    const answer = await ask(await running(driver), {
      write: [
        { path: '/tmp/iofs/small', bytes: 1000 },
        { path: '/tmp/iofs/large', bytes: 2_000_000 },
      ],
    });
    expect(answer.written).toEqual([
      { path: '/tmp/iofs/small', bytes: 1000 },
      { path: '/tmp/iofs/large', error: 'ENOSPC' },
    ]);
  });

  it('cannot do what a configured seccomp profile denies', async () => {
    const profile = join(folder, 'no-mkdir.json');
    const denied = { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' };
    await writeFile(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [denied] }));
    const [strict, usual] = await Promise.all([
      running(using({ FN_DOCKER_SECCOMP_PROFILE: profile })),
      running(using({})),
    ]);
    expect(await ask(strict, { make: ['/tmp/new'] })).toMatchObject({ made: [{ path: '/tmp/new', error: 'EPERM' }] });
    expect(await ask(usual, { make: ['/tmp/new'] })).toMatchObject({ made: [{ path: '/tmp/new', made: true }] });
  });

  it('runs under the configured runtime and in the configured user namespace', async () => {
    const container = await running(using({ FN_DOCKER_RUNTIME: 'runc', FN_DOCKER_USERNS_MODE: 'host' }));
    expect(await ask(container, {})).toMatchObject({ uid: 1000 });
  });

  it.each`
    variable                        | value                | message
    ${'FN_DOCKER_RUNTIME'}          | ${'runq'}            | ${/^FN_DOCKER_RUNTIME: expected a runtime of the engine \(.*runc.*\), got "runq"/}
    ${'FN_DOCKER_SECCOMP_PROFILE'}  | ${'/nowhere.json'}   | ${/^FN_DOCKER_SECCOMP_PROFILE: expected a file with .*, got "\/nowhere.json": ENOENT/}
    ${'FN_DOCKER_APPARMOR_PROFILE'} | ${'no-such-profile'} | ${/^FN_DOCKER_APPARMOR_PROFILE: /}
  `('that cannot be enforced prevents the start: $variable=$value', async ({ variable, value, message }) => {
    await expect(using({ [variable]: value }).ready).rejects.toThrow(message);
  });
});

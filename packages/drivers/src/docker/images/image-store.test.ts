import { readdir } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { CancelledError, createLogger, FakeClock, type Logger, readSettings, silentLogger } from '@fnfleet/core';
import type { ContainerSpec } from '../../driver.js';
import { aSpec } from '../../testing/describe-driver.js';
import { ScriptedEngine } from '../../testing/scripted-engine.js';
import { DockerDriver } from '../docker-driver.js';
import { dockerSettings } from '../docker-settings.js';

const never = new AbortController().signal;
const PULL = 'POST /images/create';
const INSPECT = 'GET /images/a/b:1/json';
const missing = [404, { message: 'No such image' }] as const;
const present = [200, { Id: 'sha256:ab', Size: 1000, RepoTags: ['a/b:1'] }] as const;

describe('the images of an engine', () => {
  let engine: ScriptedEngine;
  let driver: DockerDriver;
  let clock: FakeClock;

  beforeEach(async () => {
    engine = await ScriptedEngine.start();
    clock = new FakeClock();
  });

  afterEach(async () => {
    await driver.close();
    expect(clock.pendingTimers).toBe(0);
    await engine.quiet();
    expect(await readdir(engine.environment.FN_IOFS_PATH ?? '')).toEqual(['docker.sock']);
    await engine.close();
  });

  function started(env: Record<string, string> = {}, logger: Logger = silentLogger): DockerDriver {
    driver = new DockerDriver({
      settings: readSettings(dockerSettings, { ...engine.environment, ...env }),
      clock,
      logger,
    });
    return driver;
  }

  function prepare(overrides: Partial<ContainerSpec> = {}, signal = never) {
    return driver.prepareImage(aSpec({ image: 'a/b:1', ...overrides }), signal);
  }

  it('are inspected once for concurrent calls; a call that aborts affects no other', async () => {
    engine.answers(INSPECT, present, missing);
    started();
    await driver.ready;
    const leaver = new AbortController();
    const wanting = [1, 2, 3, 4].map(() => prepare());
    const leaving = expect(prepare({}, leaver.signal)).rejects.toBeInstanceOf(CancelledError);
    leaver.abort();
    await leaving;
    for (const { pullNs } of await Promise.all(wanting)) expect(pullNs).toBe(0);
  });

  it('that were inspected are not inspected again for ten seconds, unless a creation fails', async () => {
    engine.answers(INSPECT, present);
    started();
    await prepare();
    await prepare();
    engine.answers('POST /containers/create', [404, { message: 'No such image: a/b:1' }]);
    await expect(driver.create(aSpec({ image: 'a/b:1' }), never)).rejects.toMatchObject({ code: 'serverBusy' });
    engine.answers(INSPECT, present);
    await prepare();
    await clock.advance(10_000);
    engine.answers(INSPECT, missing, present);
    engine.answers(PULL, [200, '']);
    expect((await prepare()).pullNs).toBeGreaterThanOrEqual(0);
    expect(engine.shownToRegistry).toHaveLength(1);
  });

  it('agent-and-docker 65: are pulled with the token that came with the call, else with the credentials of the node', async () => {
    const auth = Buffer.from('ann:secret').toString('base64');
    engine.answers(PULL, [200, '']);
    started({ FN_DOCKER_AUTH: JSON.stringify({ 'https://index.docker.io/v1/': { auth } }) });
    const calls: ContainerSpec['extensions'][] = [{ FN_REGISTRY_TOKEN: 'fresh' }, {}];
    for (const extensions of calls) {
      engine.answers(INSPECT, missing, present);
      await prepare({ extensions });
      await clock.advance(10_000);
    }
    engine.answers('GET /images/quay.io/b:1/json', missing, present);
    await prepare({ image: 'quay.io/b:1' });
    expect(engine.shownToRegistry).toEqual([
      { registrytoken: 'fresh' },
      { username: 'ann', password: 'secret', serveraddress: 'https://index.docker.io/v1/' },
      undefined,
    ]);
  });

  it('are pulled without secrets in the log or in errors', async () => {
    const log = new PassThrough();
    const auth = Buffer.from('ann:s3cret').toString('base64');
    started(
      { FN_DOCKER_AUTH: JSON.stringify({ 'index.docker.io': { auth } }) },
      createLogger({ level: 'debug', format: 'json', stream: log }),
    );
    engine.answers(PULL, [500, { message: 'registry burns' }]);
    const errors = [
      await prepare().catch((error) => error),
      await prepare({ extensions: { FN_REGISTRY_TOKEN: 's3cret' } }).catch((error) => error),
    ];
    expect(errors.map(({ message }) => message)).toEqual(
      Array(2).fill(
        "Failed to pull image 'a/b:1': it is not on this engine; build it with docker build -t a/b:1, or push it to docker.io. Pulling it failed: registry burns",
      ),
    );
    const words = JSON.stringify(errors) + String(errors.map(({ cause }) => cause)) + String(log.read());
    expect(words).not.toMatch(new RegExp(`s3cret|${auth}`));
  });

  it('are not pulled by their id, which only the engine that built them knows', async () => {
    const id = `sha256:${'a'.repeat(64)}`;
    started();
    engine.answers(`GET /images/${id}/json`, missing);
    await expect(prepare({ image: id })).rejects.toMatchObject({
      code: 'imagePullFailed',
      status: 404,
      message: `Failed to pull image '${id}': it is not on this engine, and registries cannot find an image by its id; deploy the function again, with --registry if runners have their own engines`,
    });
    expect(engine.count(PULL)).toBe(0);
    engine.answers(`GET /images/${id}/json`, present);
    await prepare({ image: id });
  });

  it('agent-and-docker 62: whose pull fails fail for all waiting calls', async () => {
    started();
    engine.answers(PULL, [404, { message: 'pull access denied' }]);
    const outcomes = await Promise.allSettled(Array.from({ length: 10 }, () => prepare()));
    expect(new Set(outcomes.map((outcome) => outcome.status === 'rejected' && outcome.reason.status))).toEqual(
      new Set([404]),
    );
    expect(engine.count(PULL)).toBeLessThanOrEqual(2);
  });

  it('are given up during a retry when no call wants them any more', async () => {
    started({ FN_IMAGE_PULL_RETRY_MIN_DELAY_MSECS: '1000' });
    engine.answers(PULL, [500, { message: 'toomanyrequests: slow down' }]);
    const [failed, gone] = [engine.received(PULL), new AbortController()];
    const pulling = prepare({}, gone.signal).catch((error) => error);
    await failed;
    gone.abort();
    expect(await pulling).toBeInstanceOf(CancelledError);
  });

  it('are no longer pulled when the driver closes', async () => {
    started();
    engine.answers(PULL, 'hangs');
    const begun = engine.received(PULL);
    const pulling = prepare().catch((error) => error);
    await begun;
    await driver.close();
    expect(await pulling).toBeInstanceOf(CancelledError);
  });

  it('agent-and-docker 68: stay as long as a container needs them, then go when there are too many', async () => {
    const removal = 'DELETE /images/sha256:ab';
    engine.answers('GET /images/json', [200, []]);
    engine.answers(INSPECT, present);
    engine.answers(removal, [200, []]);
    started({ FN_IMAGE_CLEAN_MAX_SIZE: '500' });
    const prepared = [await prepare(), await prepare()];
    prepared[0]?.release();
    await clock.advance(10_000);
    expect(engine.count(removal)).toBe(0);
    const removed = engine.received(removal);
    prepared[1]?.release();
    await removed;
  });

  it('agent-and-docker 64, 68: that are refused for their volume are removed like unused ones', async () => {
    const removal = 'DELETE /images/sha256:ab';
    engine.answers('GET /images/json', [200, []]);
    engine.answers(INSPECT, [200, { ...present[1], Config: { Volumes: { '/data': {} } } }]);
    engine.answers(removal, [200, []]);
    started({ FN_IMAGE_CLEAN_MAX_SIZE: '500' });
    const removed = engine.received(removal);
    await expect(prepare()).rejects.toMatchObject({ code: 'imageHasVolume' });
    await removed;
  });
});

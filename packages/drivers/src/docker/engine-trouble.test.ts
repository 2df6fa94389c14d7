// takes: 6 s
import { readdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { CancelledError, Deferred, FakeClock, readSettings } from '@fnfleet/core';
import type { Container, ContainerSpec } from '../driver.js';
import { aSpec } from '../testing/describe-driver.js';
import { ScriptedEngine } from '../testing/scripted-engine.js';
import { DockerDriver } from './docker-driver.js';
import { dockerSettings } from './docker-settings.js';

const never = new AbortController().signal;

describe('a faulty Docker engine', () => {
  let engine: ScriptedEngine;
  const drivers: DockerDriver[] = [];

  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });

  afterEach(async () => {
    await Promise.all(drivers.splice(0).map((driver) => driver.close()));
    await engine.quiet();
    expect(await readdir(engine.environment.FN_IOFS_PATH ?? '')).toEqual(['docker.sock']);
    await engine.close();
  });

  function aDriver(env: Record<string, string> = {}): DockerDriver {
    const driver = new DockerDriver({ settings: readSettings(dockerSettings, { ...engine.environment, ...env }) });
    drivers.push(driver);
    return driver;
  }

  /** A container whose removal is in the script. */
  function created(overrides: Partial<ContainerSpec> = {}): Promise<Container> {
    const spec = aSpec(overrides);
    engine.answers(`DELETE /containers/${spec.id}`, [204]);
    return aDriver().create(spec, never);
  }

  it('says what to do when it cannot be reached', async () => {
    const message = /^cannot reach the Docker engine at unix:\/\/\/nowhere\.sock: .*ENOENT.*point DOCKER_HOST to it/;
    await expect(aDriver({ DOCKER_HOST: 'unix:///nowhere.sock' }).ready).rejects.toThrow(message);
  });

  it('agent-and-docker 57: is refused when it is too old', async () => {
    engine.answers('GET /version', [200, { Version: '17.09.1-ce' }]);
    await expect(aDriver().ready).rejects.toThrow(
      /^docker version is too old\. Required: 17\.10\.0-ce Found: 17\.09\.1-ce\. Update the Docker engine at unix:.*DOCKER_HOST/,
    );
  });

  it('has its own version numbers if it is Podman', async () => {
    const Components = [{ Name: 'Podman Engine' }, { Name: 'Conmon' }];
    engine.answers('GET /version', [200, { Version: '4.3.1', Components }], [200, { Version: '3.4.4', Components }]);
    await aDriver().ready;
    await expect(aDriver().ready).rejects.toThrow(/^podman version is too old\. Required: 4\.3\.1 Found: 3\.4\.4/);
  });

  it('is given up when it does not answer', async () => {
    engine.answers('GET /version', 'hangs');
    await expect(aDriver({ FN_DOCKER_API_TIMEOUT_MSECS: '1000' }).ready).rejects.toThrow(
      'the Docker engine did not answer version within 1000 ms',
    );
  });

  it('is given up when an answer is cut off', async () => {
    engine.answers('GET /version', 'breaks off');
    await expect(aDriver().ready).rejects.toThrow('aborted');
  });

  it('starts although it cannot list the containers of previous runners', async () => {
    engine.answers('GET /containers/json', [500, { message: 'busy' }]);
    await expect(aDriver().ready).resolves.toBeUndefined();
  });

  it.each`
    answer                                                                     | status | reason
    ${[404, { message: 'pull access denied for a/b' }]}                        | ${404} | ${'pull access denied for a/b'}
    ${[401, { message: 'unauthorized' }]}                                      | ${401} | ${'unauthorized'}
    ${[500, { message: 'dial tcp 127.0.0.1:9: connect: connection refused' }]} | ${502} | ${'dial tcp 127.0.0.1:9: connect: connection refused'}
    ${[200, `${JSON.stringify({ error: 'no space left on device' })}\n`]}      | ${502} | ${'no space left on device'}
    ${'breaks off'}                                                            | ${502} | ${'the connection to the engine was lost during the pull'}
  `('agent-and-docker 60: a pull that fails with "$reason" is $status', async ({ answer, status, reason }) => {
    engine.answers('POST /images/create', answer);
    await expect(aDriver().prepareImage(aSpec({ image: 'a/b:1' }), never)).rejects.toMatchObject({
      code: 'imagePullFailed',
      status,
      message: `Failed to pull image 'a/b:1': it is not on this engine; build it with docker build -t a/b:1, or push it to docker.io. Pulling it failed: ${reason}`,
    });
  });

  it('agent-and-docker 61: a pull that hangs ends with the timeout of its caller', async () => {
    engine.answers('POST /images/create', 'hangs');
    const pulling = aDriver().prepareImage(aSpec({ image: 'a/b:1' }), AbortSignal.timeout(100));
    await expect(pulling).rejects.toBeInstanceOf(CancelledError);
  });

  it.each`
    behaviour     | cause
    ${'hangs'}    | ${'the Docker engine did not answer inspect_image within 1000 ms'}
    ${'hangs up'} | ${'socket hang up'}
  `('that $behaviour when asked for an image: another runner may take the call', async ({ behaviour, cause }) => {
    engine.answers('GET /images/a/b:1/json', behaviour);
    const driver = aDriver({ FN_DOCKER_QUERY_TIMEOUT_MSECS: '1000' });
    await expect(driver.prepareImage(aSpec({ image: 'a/b:1' }), never)).rejects.toMatchObject({
      code: 'serverBusy',
      cause: { message: cause },
    });
  });

  it('agent-and-docker 31: a call whose image is gone again after its pull is left to another runner', async () => {
    engine.answers('POST /images/create', [200, '']);
    await expect(aDriver().prepareImage(aSpec({ image: 'a/b:1' }), never)).rejects.toMatchObject({
      code: 'serverBusy',
    });
  });

  it('agent-and-docker 64: an image with a volume is refused, unless volumes are allowed', async () => {
    engine.answers('GET /images/a/b:1/json', [200, { Id: 'a', Config: { Volumes: { '/data': {} } } }]);
    const spec = aSpec({ image: 'a/b:1' });
    await expect(aDriver().prepareImage(spec, never)).rejects.toMatchObject({ code: 'imageHasVolume', status: 400 });
    expect(await aDriver({ FN_IMAGE_ENABLE_VOLUME: '1' }).prepareImage(spec, never)).toMatchObject({ pullNs: 0 });
  });

  it('removes a container that was created after its caller had aborted', async () => {
    const spec = aSpec({});
    const removal = `DELETE /containers/${spec.id}`;
    const made = engine.received('POST /containers/create');
    engine.answers(removal, [204]);
    const gone = new AbortController();
    const creation = aDriver().create(spec, gone.signal);
    await made;
    gone.abort();
    await creation.catch(() => undefined);
    await drivers[0]?.close();
    expect(engine.count(removal)).toBe(1);
  });

  it('removes by name a container that may have been created without an answer', async () => {
    const spec = aSpec({});
    const removal = `DELETE /containers/${spec.id}`;
    engine.answers('POST /containers/create', 'hangs');
    engine.answers(removal, [404, { message: 'No such container' }], [204]);
    // The removals have as much time, and are counted.
    await expect(aDriver({ FN_DOCKER_CHANGE_TIMEOUT_MSECS: '2000' }).create(spec, never)).rejects.toMatchObject({
      code: 'serverBusy',
      cause: { message: 'the Docker engine did not answer create_container within 2000 ms' },
    });
    await drivers[0]?.close();
    expect(engine.count(removal)).toBe(2);
  });

  it('removes nothing when the engine created nothing', async () => {
    const spec = aSpec({});
    engine.answers('POST /containers/create', [409, { message: 'the name is already in use' }]);
    await expect(aDriver().create(spec, never)).rejects.toThrow('already in use');
    await drivers[0]?.close();
    expect(engine.count(`DELETE /containers/${spec.id}`)).toBe(0);
  });

  it('is asked again when it fails to remove a container', async () => {
    const container = await created();
    const removal = `DELETE /containers/${container.id}`;
    engine.answers(removal, [500, { message: 'device or resource busy' }], 'hangs up', [204]);
    await Promise.all([container.close(), container.close()]);
    expect(engine.count(removal)).toBe(3);
    expect(await container.wait()).toEqual({ exitCode: 137, outOfMemory: false });
  });

  it('may restart under a running container: its exit is still observed', async () => {
    const container = await created();
    const wait = `POST /containers/${container.id}/wait`;
    engine.answers(wait, 'breaks off', [200, { StatusCode: 9 }]);
    engine.answers(`POST /containers/${container.id}/start`, [204]);
    await container.start(never);
    expect(await container.wait()).toEqual({ exitCode: 9, outOfMemory: false });
    expect(engine.count(wait)).toBe(2);
  });

  it('may forget a running container, which then counts as exited', async () => {
    const container = await created();
    engine.answers(`POST /containers/${container.id}/wait`, 'breaks off', [404, { message: 'No such container' }]);
    engine.answers(`POST /containers/${container.id}/start`, [204]);
    await container.start(never);
    expect(await container.wait()).toEqual({ exitCode: 137, outOfMemory: false });
  });

  it('may restart under a running container: its output is reattached', async () => {
    let printed = '';
    const again = new Deferred<void>();
    const container = await created({
      output: (chunk, source) => {
        printed += `${source}: ${chunk}`;
        if (printed.includes('after')) again.resolve();
      },
    });
    const path = `POST /containers/${container.id}`;
    engine.answers(`${path}/wait`, 'breaks off');
    engine.answers(`${path}/start`, [204]);
    engine.answers(`${path}/attach`, [200, frame('before\n')], [200, frame('after\n')]);
    await container.start(never);
    await again.promise;
    expect(printed).toBe('stderr: before\nstderr: after\n');
  });

  it('may refuse to attach: the function runs without it', async () => {
    const container = await created({ output: () => undefined });
    const path = `POST /containers/${container.id}`;
    engine.answers(`${path}/wait`, [200, { StatusCode: 0 }]);
    engine.answers(`${path}/start`, [204]);
    engine.answers(`${path}/attach`, [500, { message: 'no more streams' }]);
    await container.start(never);
    expect(await container.wait()).toEqual({ exitCode: 0, outOfMemory: false });
  });

  it('does not block a stopping runner: containers that it fails to remove stay', async () => {
    const clock = new FakeClock();
    const driver = new DockerDriver({ settings: readSettings(dockerSettings, engine.environment), clock });
    const spec = aSpec({});
    await driver.create(spec, never);
    engine.answers(`DELETE /containers/${spec.id}`, 'hangs');
    engine.answers('GET /_ping', 'hangs up');
    let closed = false;
    void driver.close().then(() => {
      closed = true;
    });
    while (!closed) {
      await clock.advance(500);
      await sleep(5); // for the sockets, whose time is not the clock's
    }
    expect(driver.health.now.state).toBe('degraded');
    expect(clock.pendingTimers).toBe(0);
  });

  it('reports why a container does not start or cannot be paused', async () => {
    const container = await created();
    const path = `POST /containers/${container.id}`;
    engine.answers(`${path}/wait`, 'hangs up');
    await expect(container.start(never)).rejects.toMatchObject({
      code: 'serverBusy',
      cause: { message: 'socket hang up' },
    });
    // The engine answers by the id that it gave, and knows of no process to freeze.
    engine.answers('POST /containers/made/pause', [500, { message: 'cannot freeze' }]);
    await expect(container.pause()).rejects.toThrow('cannot freeze');
    engine.answers('POST /containers/made/unpause', [500, { message: 'cannot thaw' }]);
    await expect(container.resume()).rejects.toThrow('cannot thaw');
  });
});

/** Output to standard error as the engine sends it. */
function frame(text: string): string {
  return `\u0002\0\0\0\0\0\0${String.fromCharCode(text.length)}${text}`;
}

// needs: docker
import { type Environment, IdGenerator, readSettings } from '@fnfleet/core';
import Docker from 'dockerode';
import type { Container } from '../../driver.js';
import { aSpec } from '../../testing/describe-driver.js';
import { ScriptedEngine } from '../../testing/scripted-engine.js';
import { callFunction, functionImage } from '../../testing/test-functions.js';
import { DockerDriver } from '../docker-driver.js';
import { dockerSettings } from '../docker-settings.js';
import { TinyImages } from '../test-kit/tiny-images.js';

const never = new AbortController().signal;

describe('the docker driver with a prefork pool', () => {
  const docker = new Docker();
  const tag = `prefork-${new IdGenerator().next()}`;
  let image: string;
  let driver: DockerDriver;

  beforeAll(async () => {
    image = await functionImage('probe');
  }, 60_000);

  beforeEach(() => {
    driver = aDriver('fnfleet/node-base:24');
  });

  function aDriver(preforkImage: string): DockerDriver {
    return new DockerDriver({
      settings: readSettings(dockerSettings, {
        FN_CONTAINER_LABEL_TAG: tag,
        FN_DOCKER_NETWORKS: 'none',
        FN_EXPERIMENTAL_PREFORK_POOL_SIZE: '1',
        FN_EXPERIMENTAL_PREFORK_IMAGE: preforkImage,
        FN_EXPERIMENTAL_PREFORK_CMD: 'node -e setInterval(()=>{},1e6)',
      }),
    });
  }

  afterEach(async () => {
    await driver.close();
    expect(await ours()).toEqual([]);
  });

  const ours = () => docker.listContainers({ all: true, filters: { label: [`fn-agent-classifier=${tag}`] } });

  async function created(): Promise<{ container: Container; network: string }> {
    const container = await driver.create(aSpec({ image }), never);
    const { HostConfig } = await docker.getContainer(container.id).inspect();
    return { container, network: HostConfig.NetworkMode ?? '' };
  }

  /** The pool fills in the background: until then containers get a network of their own. */
  async function createdOnPool(): Promise<{ container: Container; network: string }> {
    for (;;) {
      const made = await created();
      if (made.network.startsWith('container:')) return made;
      await made.container.close();
    }
  }

  it('starts functions on the networks of its containers, then on the configured ones', async () => {
    const { container, network } = await createdOnPool();
    expect((await created()).network).toBe('none');
    await container.start(never);
    await container.listening(never);
    const { hostname } = JSON.parse((await callFunction(container.socketPath)).body) as { hostname: string };
    const member = await docker.getContainer(network.slice('container:'.length)).inspect();
    expect(hostname).toBe(member.Config.Hostname);
    expect(member.Name).toMatch(/^\/0_prefork_/);
    await container.close();
    expect((await created()).network).toBe(network);
  }, 60_000);

  it('creates another container when one is killed', async () => {
    const { container, network } = await createdOnPool();
    const member = docker.getContainer(network.slice('container:'.length));
    const removed = member.wait({ condition: 'removed' });
    await member.kill();
    await removed;
    await container.close();
    expect((await createdOnPool()).network).not.toBe(network);
  }, 60_000);

  it('has no health checks in its containers, whatever their image defines', async () => {
    const images = new TinyImages();
    await driver.close();
    driver = aDriver(await images.makeChecked('fnfleet/node-base:24', 'fnfleet/checked-pool'));
    try {
      const { network } = await createdOnPool();
      const { State } = await docker.getContainer(network.slice('container:'.length)).inspect();
      expect(State).toMatchObject({ Running: true });
      expect(State.Health).toBeUndefined();
    } finally {
      await driver.close();
      await images.removeAll();
    }
  }, 60_000);
});

describe('the image of the prefork pool', () => {
  let engine: ScriptedEngine;
  let driver: DockerDriver;

  beforeEach(async () => {
    engine = await ScriptedEngine.start();
  });

  afterEach(async () => {
    await driver.close();
    await engine.close();
  });

  function aDriver(env: Environment): DockerDriver {
    driver = new DockerDriver({
      settings: readSettings(dockerSettings, {
        ...engine.environment,
        FN_EXPERIMENTAL_PREFORK_POOL_SIZE: '1',
        ...env,
      }),
    });
    return driver;
  }

  it('is pulled if it is missing', async () => {
    const missing = [404, { message: 'No such image' }] as const;
    engine.answers('GET /images/busybox/json', missing, [200, { Id: 'b' }]);
    engine.answers('POST /images/create', [200, '']);
    engine.answers('POST /containers/create', [500, { message: 'not today' }]);
    await aDriver({}).ready;
    expect(engine.count('POST /images/create')).toBe(1);
  });

  it('that cannot be pulled prevents the start of the runner', async () => {
    engine.answers('POST /images/create', [404, { message: 'pull access denied' }]);
    await expect(aDriver({ FN_EXPERIMENTAL_PREFORK_IMAGE: 'a/b:1' }).ready).rejects.toThrow(
      "FN_EXPERIMENTAL_PREFORK_IMAGE: Failed to pull image 'a/b:1': it is not on this engine; build it with docker build -t a/b:1, or push it to docker.io. Pulling it failed: pull access denied",
    );
  });
});

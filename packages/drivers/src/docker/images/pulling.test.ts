// needs: docker, docker-registry
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Environment, readSettings } from '@fnfleet/core';
import { ImageRegistry, REGISTRY_OPERATOR as OPERATOR } from '@fnfleet/testing';
import { aSpec } from '../../testing/describe-driver.js';
import { DockerDriver } from '../docker-driver.js';
import { dockerSettings } from '../docker-settings.js';
import { TinyImages } from '../test-kit/tiny-images.js';

// Each step is a matter of milliseconds, on a machine that does nothing else.
jest.setTimeout(120_000);

const never = new AbortController().signal;
const images = new TinyImages();
const drivers: DockerDriver[] = [];

function aDriver(env: Environment = {}): DockerDriver {
  const driver = new DockerDriver({ settings: readSettings(dockerSettings, env) });
  drivers.push(driver);
  return driver;
}

/** Prepares an image and lets go of it again. */
async function pull(image: string, env: Environment = {}): Promise<number> {
  images.willRemove(image);
  const prepared = await aDriver(env).prepareImage(aSpec({ image }), never);
  prepared.release();
  return prepared.pullNs;
}

function failed(image: string, status: number, reason: unknown) {
  return {
    code: 'imagePullFailed',
    status,
    message: expect.stringMatching(
      `^Failed to pull image '${image}': it is not on this engine; build it with docker build -t ${image}, or push it to \\S+. Pulling it failed: ${reason}`,
    ),
  };
}

afterEach(async () => {
  await Promise.all(drivers.splice(0).map((driver) => driver.close()));
  await images.removeAll();
});

describe('a registry that is open to all', () => {
  let registry: ImageRegistry;
  /** With images 1 and 2. */
  let repository: string;
  let digest: string;

  beforeAll(async () => {
    registry = await ImageRegistry.start();
    repository = `${registry.host}/${randomUUID()}`;
    digest = await images.publish(repository, '1');
    await images.publish(repository, '2');
  });

  beforeEach(() => {
    registry.front.reset();
  });

  afterAll(() => registry.close());

  it('agent-and-docker 66: gets requests for a tag, or for a digest whatever the tag', async () => {
    expect(await pull(`${repository}:1`)).toBeGreaterThan(0);
    const id = await images.idOf(`${repository}:1`);
    await images.removeAll();
    for (const image of [`${repository}@${digest}`, `${repository}:2@${digest}`]) {
      expect(await pull(image)).toBeGreaterThan(0);
      expect((await images.docker.getImage(image).inspect()).Id).toBe(id);
      await images.removeAll();
    }
  });

  it('gets no request for a local image, even if the tag has moved', async () => {
    await pull(`${repository}:1`);
    registry.front.requests.length = 0;
    expect(await pull(`${repository}:1`)).toBe(0);
    expect(registry.front.requests).toEqual([]);
  });

  it('agent-and-docker 60: has no such image', async () => {
    await expect(pull(`${repository}:3`)).rejects.toMatchObject(
      failed(`${repository}:3`, 404, `manifest for ${repository}:3 not found`),
    );
  });

  it.each`
    what                     | reference                      | status
    ${'rejects a tag'}       | ${':3'}                        | ${401}
    ${'rejects a digest'}    | ${`@sha256:${'0'.repeat(64)}`} | ${401}
    ${'does not know a tag'} | ${':3'}                        | ${404}
    ${'has no such digest'}  | ${`@sha256:${'0'.repeat(64)}`} | ${404}
    ${'denies access'}       | ${`@sha256:${'0'.repeat(64)}`} | ${403}
  `('agent-and-docker 60: $what with an empty response: $status', async ({ reference, status }) => {
    registry.front.answer = (call) => (call.includes('/manifests/') ? status : undefined);
    await expect(pull(`${repository}${reference}`)).rejects.toMatchObject({ code: 'imagePullFailed', status });
  });

  it('agent-and-docker 60: cannot be reached', async () => {
    await expect(pull('127.0.0.1:9/nobody/home:1')).rejects.toMatchObject(
      failed('127.0.0.1:9/nobody/home:1', 502, '.*connection refused'),
    );
  });

  it('agent-and-docker 62: sees one pull of each of two images for twenty containers', async () => {
    const wanted = [images.willRemove(`${repository}:1`), images.willRemove(`${repository}:2`)];
    const driver = aDriver();
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => driver.prepareImage(aSpec({ image: wanted[index % 2] ?? '' }), never)),
    );
    const path = repository.slice(repository.indexOf('/') + 1);
    expect([registry.front.lookups(path, '1'), registry.front.lookups(path, '2')]).toEqual([1, 1]);
  });

  it('agent-and-docker 63: is retried when it throttles runners or fails temporarily', async () => {
    // Each pull looks a tag up twice before it gives up: by HEAD, then by GET for the reason.
    const troubles = [429, 429, 503, 503];
    registry.front.answer = (call) => (call.includes('/manifests/') ? troubles.shift() : undefined);
    const quickly = { FN_IMAGE_PULL_RETRY_INTERVAL_MSECS: '10', FN_IMAGE_PULL_RETRY_MIN_DELAY_MSECS: '1' };
    expect(await pull(`${repository}:1`, quickly)).toBeGreaterThan(0);
    expect(troubles).toEqual([]);
  });

  it('agent-and-docker 63: is not retried if retries are disabled', async () => {
    registry.front.answer = (call) => (call.includes('/manifests/') ? 429 : undefined);
    await expect(pull(`${repository}:1`, { FN_IMAGE_PULL_MAX_RETRIES: '0' })).rejects.toMatchObject(
      failed(`${repository}:1`, 502, 'toomanyrequests: slow down'),
    );
  });
});

describe('a registry with authentication', () => {
  let registry: ImageRegistry;
  let folder: string;
  let image: string;

  beforeAll(async () => {
    registry = await ImageRegistry.start({ locked: true });
    folder = await mkdtemp(join(tmpdir(), 'fnk'));
    image = `${registry.host}/${randomUUID()}:1`;
    await images.publish(image.replace(/:1$/, ''), '1', OPERATOR);
  });

  afterAll(async () => {
    await registry.close();
    await rm(folder, { recursive: true });
  });

  function credentials(password: string, server = `http://${registry.host}/v2/`): string {
    const auth = Buffer.from(`${OPERATOR.username}:${password}`).toString('base64');
    return JSON.stringify({ auths: { [server]: { auth } } });
  }

  it('accepts credentials from the environment', async () => {
    expect(await pull(image, { FN_DOCKER_AUTH: credentials(OPERATOR.password) })).toBeGreaterThan(0);
  });

  it('accepts credentials from a file, as soon as it has them', async () => {
    await writeFile(join(folder, 'config.json'), credentials('out of date'));
    const driver = aDriver({ DOCKER_CONFIG: folder });
    await expect(driver.prepareImage(aSpec({ image }), never)).rejects.toMatchObject({ status: 401 });
    await writeFile(join(folder, 'config.json'), credentials(OPERATOR.password));
    const { pullNs } = await driver.prepareImage(aSpec({ image: images.willRemove(image) }), never);
    expect(pullNs).toBeGreaterThan(0);
  });

  it.each([
    [
      'with wrong credentials',
      () => ({ FN_DOCKER_AUTH: credentials('guessed') }),
      'unauthorized: authentication required',
    ],
    ['without credentials', () => ({}), '.*no basic auth credentials'],
    [
      'with credentials for another registry',
      () => ({ FN_DOCKER_AUTH: credentials(OPERATOR.password, '127.0.0.1:1') }),
      '.*no basic auth',
    ],
  ])('agent-and-docker 60: rejects a pull %s', async (_, env, reason) => {
    await expect(pull(image, env())).rejects.toMatchObject(failed(image, 401, reason));
  });
});

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { createLogger, silentLogger } from '@fnfleet/core';
import { parseImageReference } from './image-reference.js';
import { parseCredentials } from './registry-auth.js';
import { RegistryCredentials } from './registry-credentials.js';

const image = parseImageReference('quay.io/a/b:1');

function keeping(user: string): string {
  return JSON.stringify({ auths: { 'quay.io': { auth: Buffer.from(`${user}:s3cret`).toString('base64') } } });
}

describe('credentials for a pull', () => {
  let home: string;
  let dockerConfig: string;

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'fnc'));
    dockerConfig = join(home, 'elsewhere');
    await mkdir(join(home, '.docker'));
    await mkdir(dockerConfig);
  });

  afterEach(() => rm(home, { recursive: true }));

  async function userOf(credentials: RegistryCredentials): Promise<string | undefined> {
    return (await credentials.find(image, {}))?.username;
  }

  it('come from the first existing file, and follow its changes', async () => {
    const credentials = new RegistryCredentials({ dockerAuth: undefined, dockerConfig, home }, silentLogger);
    expect(await userOf(credentials)).toBeUndefined();
    await writeFile(join(home, '.dockercfg'), keeping('third'));
    expect(await userOf(credentials)).toBe('third');
    await writeFile(join(home, '.docker', 'config.json'), keeping('second'));
    expect(await userOf(credentials)).toBe('second');
    await writeFile(join(dockerConfig, 'config.json'), keeping('first'));
    expect(await userOf(credentials)).toBe('first');
    await writeFile(join(dockerConfig, 'config.json'), keeping('renewed'));
    expect(await userOf(credentials)).toBe('renewed');
  });

  it('come from FN_DOCKER_AUTH alone when that is set', async () => {
    await writeFile(join(home, '.dockercfg'), keeping('file'));
    const given = new RegistryCredentials(
      { dockerAuth: parseCredentials(keeping('given')), dockerConfig, home },
      silentLogger,
    );
    expect(await userOf(given)).toBe('given');
    const none = new RegistryCredentials({ dockerAuth: [], dockerConfig, home }, silentLogger);
    expect(await userOf(none)).toBeUndefined();
  });

  it('skip an invalid file, with a warning that does not quote it', async () => {
    await writeFile(join(dockerConfig, 'config.json'), '{"auths": s3cret');
    await writeFile(join(home, '.dockercfg'), keeping('next'));
    const stream = new PassThrough();
    const logger = createLogger({ level: 'debug', format: 'text', stream });
    expect(await userOf(new RegistryCredentials({ dockerAuth: undefined, dockerConfig, home }, logger))).toBe('next');
    const log = String(stream.read());
    expect(log).toContain(join(dockerConfig, 'config.json'));
    expect(log).not.toContain('s3cret');
  });

  it('give way to the token that came with the call', async () => {
    const sources = { dockerAuth: parseCredentials(keeping('given')), dockerConfig: undefined, home: undefined };
    const credentials = new RegistryCredentials(sources, silentLogger);
    expect(await credentials.find(image, { FN_REGISTRY_TOKEN: 'fresh' })).toEqual({ registrytoken: 'fresh' });
    expect(await credentials.find(image, { FN_REGISTRY_TOKEN: '' })).toMatchObject({ username: 'given' });
  });
});

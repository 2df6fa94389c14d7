import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { createLogger, readSettings, silentLogger } from '@fnfleet/core';
import { imageSettings } from '../docker-settings.js';
import { parseImageReference } from './image-reference.js';
import { type Credential, matchCredential, parseCredentials, RegistryCredentials } from './registry-credentials.js';

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

const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('credentials in FN_DOCKER_AUTH', () => {
  it.each([
    ['as in config.json', { auths: { 'quay.io': { auth: base64('ann:se:cret') } } }],
    ['as in .dockercfg', { 'quay.io': { auth: base64('ann:se:cret'), email: 'ann@example.com' } }],
    ['without padding', { 'quay.io': { auth: base64('ann:se:cret').replace(/=+$/, '') } }],
  ])('are read %s', (_, json) => {
    expect(readSettings(imageSettings, { FN_DOCKER_AUTH: JSON.stringify(json) }).dockerAuth).toEqual([
      { server: 'quay.io', auth: { username: 'ann', password: 'se:cret', serveraddress: 'quay.io' } },
    ]);
  });

  it('may be a token instead of a password', () => {
    const auth = base64('00000000:unused');
    const json = {
      a: { auth, identitytoken: 'id' },
      b: { auth, registrytoken: 'reg' },
      c: { auth, identitytoken: '' },
    };
    expect(parseCredentials(JSON.stringify({ auths: json })).map((credential) => credential.auth)).toEqual([
      { username: '00000000', identitytoken: 'id', serveraddress: 'a' },
      { username: '00000000', registrytoken: 'reg', serveraddress: 'b' },
      { username: '00000000', password: 'unused', serveraddress: 'c' },
    ]);
  });

  it('may have entries without a secret, which is then stored elsewhere', () => {
    const json = { auths: { 'quay.io': {}, 'gcr.io': { auth: '' } }, credsStore: 'desktop' };
    expect(parseCredentials(JSON.stringify(json))).toEqual([]);
  });

  it.each`
    value                                                                    | why
    ${'{"auths": {"quay.io": {"auth": "s3cret'}                              | ${'it is not JSON'}
    ${'["s3cret"]'}                                                          | ${'it is not a JSON object'}
    ${'{"auths": "s3cret"}'}                                                 | ${'`auths` is not an object'}
    ${'{"auths": {"quay.io": {"auth": "s3cret"}}}'}                          | ${'`auth` of "quay.io" is not base64 of user:password'}
    ${`{"auths": {"quay.io": {"auth": "${base64('ann')}", "x": "s3cret"}}}`} | ${'`auth` of "quay.io" is not base64 of user:password'}
  `('that are invalid prevent the start: $why', ({ value, why }) => {
    let message = '';
    try {
      readSettings(imageSettings, { FN_DOCKER_AUTH: value });
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).toMatch(/^FN_DOCKER_AUTH: expected JSON like \{"auths":.*\}, got something else: /);
    expect(message).toContain(why);
    expect(message).not.toContain('s3cret');
  });
});

function kept(...servers: string[]): readonly Credential[] {
  return servers.map((server) => ({ server, auth: { username: server } }));
}

it.each`
  registry             | servers                                                 | user
  ${'quay.io'}         | ${['quay.io']}                                          | ${'quay.io'}
  ${'Quay.io'}         | ${['HTTPS://quay.IO/v2']}                               | ${'HTTPS://quay.IO/v2'}
  ${'quay.io'}         | ${['http://quay.io']}                                   | ${'http://quay.io'}
  ${'b.example'}       | ${['a.b.example']}                                      | ${undefined}
  ${'b.example'}       | ${['https://a.b.example/v2/', 'b.example']}             | ${'b.example'}
  ${'a.b.example'}     | ${['b.example']}                                        | ${undefined}
  ${'notquay.io'}      | ${['quay.io']}                                          | ${undefined}
  ${'quay.io.example'} | ${['quay.io']}                                          | ${undefined}
  ${'quay.io'}         | ${['quay.io.']}                                         | ${undefined}
  ${'quay.io'}         | ${['ann@quay.io']}                                      | ${undefined}
  ${'quay.io'}         | ${['ftp://quay.io']}                                    | ${undefined}
  ${'quay.io'}         | ${['evil.example/quay.io']}                             | ${undefined}
  ${'quay.io'}         | ${['*.io', '*', '', 'https://']}                        | ${undefined}
  ${'quay.io'}         | ${['quay.io:443']}                                      | ${undefined}
  ${'quay.io:443'}     | ${['quay.io']}                                          | ${undefined}
  ${'quay.io:5000'}    | ${['quay.io', 'https://quay.io:5000/v2/']}              | ${'https://quay.io:5000/v2/'}
  ${'localhost'}       | ${['https://localhost', 'https://index.docker.io/v1/']} | ${'https://localhost'}
  ${'localhost:5000'}  | ${['localhost']}                                        | ${undefined}
  ${'[::1]:5000'}      | ${['http://[::1]:5000']}                                | ${'http://[::1]:5000'}
`(
  'agent-and-docker 67: with credentials for $servers, the registry "$registry" gets those of $user',
  ({ registry, servers, user }) => {
    expect(matchCredential(kept(...servers), registry)?.username).toBe(user);
  },
);

describe('Docker Hub', () => {
  it.each(['', 'docker.io', 'index.docker.io', 'registry-1.docker.io'])(
    'agent-and-docker 67: the name "%s" gets its credentials',
    (registry) => {
      for (const server of ['https://index.docker.io/v1/', 'hub.docker.com', 'docker.io', 'registry-1.docker.io']) {
        expect(matchCredential(kept('quay.io', server), registry)?.username).toBe(server);
      }
      expect(matchCredential(kept('https://index.docker.io/v1/', 'hub.docker.com'), registry)?.username).toBe(
        'hub.docker.com',
      );
    },
  );

  it.each(['quay.io', 'auth.docker.io', 'docker.io.example', 'mydocker.io', 'docker.io:5000'])(
    'shares no credentials with %s',
    (other) => {
      expect(matchCredential(kept(other), '')).toBeUndefined();
      expect(matchCredential(kept('https://index.docker.io/v1/'), other)).toBeUndefined();
    },
  );
});

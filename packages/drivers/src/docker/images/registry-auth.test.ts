import { readSettings } from '@fnfleet/core';
import { imageSettings } from './image-settings.js';
import { parseCredentials } from './registry-auth.js';

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
  `('that cannot be read keep a node from starting: $why', ({ value, why }) => {
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

import { matchCredential } from './credential-match.js';
import type { Credential } from './registry-auth.js';

function kept(...servers: string[]): readonly Credential[] {
  return servers.map((server) => ({ server, auth: { username: server } }));
}

it.each`
  registry             | servers                                                 | shown
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
`('agent-and-docker 67: of $servers the registry "$registry" is shown $shown', ({ registry, servers, shown }) => {
  expect(matchCredential(kept(...servers), registry)?.username).toBe(shown);
});

describe('Docker Hub', () => {
  it.each(['', 'docker.io', 'index.docker.io', 'registry-1.docker.io'])(
    'agent-and-docker 67: named "%s" is one registry',
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
    'does not get the credentials of %s, nor the other way round',
    (other) => {
      expect(matchCredential(kept(other), '')).toBeUndefined();
      expect(matchCredential(kept('https://index.docker.io/v1/'), other)).toBeUndefined();
    },
  );
});

import { domainsOf, matchCredential } from './credential-match.js';
import type { Credential } from './registry-auth.js';

function kept(...servers: string[]): readonly Credential[] {
  return servers.map((server) => ({ server, auth: { username: server } }));
}

it.each`
  server                           | domains
  ${'top.google.com:443'}          | ${['top.google.com:443', 'google.com:443']}
  ${'https://index.docker.io/v1/'} | ${['index.docker.io', 'docker.io']}
  ${'HTTPS://Registry.Example/v2'} | ${['registry.example']}
  ${'localhost'}                   | ${[]}
  ${'localhost:5000'}              | ${[]}
`('agent-and-docker 67: $server serves $domains', ({ server, domains }) => {
  expect(domainsOf(server)).toEqual(domains);
});

it.each`
  registry          | servers                                                            | shown
  ${'google.com'}   | ${['https://top.google.com']}                                      | ${'https://top.google.com'}
  ${'google.com'}   | ${['a.google.com', 'google.com']}                                  | ${'google.com'}
  ${'Quay.io'}      | ${['quay.io']}                                                     | ${'quay.io'}
  ${'a.google.com'} | ${['google.com']}                                                  | ${undefined}
  ${'quay.io'}      | ${['quay.io:443']}                                                 | ${undefined}
  ${'quay.io:5000'} | ${['quay.io', 'https://quay.io:5000/v2/']}                         | ${'https://quay.io:5000/v2/'}
  ${'notquay.io'}   | ${['quay.io']}                                                     | ${undefined}
  ${''}             | ${['https://index.docker.io/v1/']}                                 | ${'https://index.docker.io/v1/'}
  ${''}             | ${['https://index.docker.io/v1/', 'hub.docker.com']}               | ${'hub.docker.com'}
  ${'docker.io'}    | ${['https://index.docker.io/v1/']}                                 | ${'https://index.docker.io/v1/'}
  ${''}             | ${['quay.io']}                                                     | ${undefined}
  ${'localhost'}    | ${['https://localhost', 'https://index.docker.io/v1/', 'quay.io']} | ${undefined}
`('agent-and-docker 67: of $servers the registry "$registry" is shown $shown', ({ registry, servers, shown }) => {
  expect(matchCredential(kept(...servers), registry)?.username).toBe(shown);
});

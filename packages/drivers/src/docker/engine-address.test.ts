import { engineAddress } from './engine-address.js';

describe('the address of the engine', () => {
  const at = (dockerHost?: string, dockerTlsVerify?: string) =>
    engineAddress({ dockerHost, dockerTlsVerify, dockerCertPath: undefined }).options;

  it('is the local socket by default', () => {
    expect(at()).toMatchObject({ socketPath: '/var/run/docker.sock' });
    expect(at('unix:///run/user/1000/docker.sock')).toMatchObject({ socketPath: '/run/user/1000/docker.sock' });
  });

  it.each`
    host                   | tls          | protocol   | port
    ${'tcp://engine:2375'} | ${undefined} | ${'http'}  | ${2375}
    ${'engine:2375'}       | ${undefined} | ${'http'}  | ${2375}
    ${'tcp://engine'}      | ${undefined} | ${'http'}  | ${2375}
    ${'tcp://engine:2376'} | ${undefined} | ${'https'} | ${2376}
    ${'tcp://engine:2375'} | ${'1'}       | ${'https'} | ${2375}
  `('$host (TLS: $tls) is $protocol on port $port', ({ host, tls, protocol, port }) => {
    expect(at(host, tls)).toEqual({ host: 'engine', port, protocol });
  });

  it.each(['ssh://engine', 'tcp://:x'])('%s is refused', (host) => {
    expect(() => at(host)).toThrow('DOCKER_HOST: expected unix:///path or tcp://host:port');
  });
});

import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import tls from 'node:tls';
import { type Logger, silentLogger } from '@fnfleet/core';
import { eventually, FleetCertificates } from '@fnfleet/testing';
import type { TlsIdentity } from '@fnfleet/tls';
import { type MemberCheck, newMemberServer } from './member-server.js';

const certificates = new FleetCertificates();
const member = certificates.identity('balancer');

let server: tls.Server;
/** Connections that were handed on. */
let members: tls.TLSSocket[];
/** What was logged, in order. */
let said: string[];
const logger: Logger = {
  ...silentLogger,
  warn: (what, fields) => void said.push(`warn: ${what}: ${fields?.reason} from ${fields?.address}`),
  debug: (what, fields) => void said.push(`debug: ${what}: ${fields?.reason} from ${fields?.address}`),
};

async function listen(check: Partial<MemberCheck> = {}): Promise<void> {
  said = [];
  members = [];
  server = newMemberServer({ identity: certificates.identity('runner'), logger, ...check }, (socket) => {
    members.push(socket);
    socket.on('error', () => undefined);
    socket.write('welcome');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}
afterEach(async () => {
  for (const socket of members) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

/** The first data that a client receives; `nothing` if its connection is closed before. */
async function received(identity: TlsIdentity | undefined): Promise<string> {
  const own = identity && { cert: identity.material.cert, key: identity.material.key };
  const { port } = server.address() as AddressInfo;
  const socket = tls.connect({ port, host: '127.0.0.1', ca: certificates.authority, ALPNProtocols: ['h2'], ...own });
  try {
    return await new Promise((resolve) => {
      socket.once('data', (data) => resolve(`${data} by ${socket.alpnProtocol}`));
      socket.once('error', () => resolve('nothing'));
      socket.once('close', () => resolve('nothing'));
    });
  } finally {
    socket.destroy();
  }
}

it('a member of the fleet is accepted and speaks HTTP/2', async () => {
  await listen();
  expect(await received(member)).toBe('welcome by h2');
  expect([members.length, said]).toEqual([1, []]);
});

it.each`
  who                                   | identity                                               | reason
  ${'without a certificate'}            | ${undefined}                                           | ${'no certificate'}
  ${'with a certificate of another CA'} | ${certificates.identity('stranger', { ours: false })}  | ${'certificate: the CA of this fleet has not signed it'}
  ${'whose certificate has expired'}    | ${certificates.identity('late', { expired: true })}    | ${'certificate: it has expired'}
  ${'with another name'}                | ${certificates.identity('runner-7', { altNames: [] })} | ${'certificate: its names (runner-7) are not among those allowed here'}
`(
  'the connection of a client $who is closed before any data, and the reason is logged: $reason',
  async ({ identity, reason }) => {
    await listen({ allowedNames: ['Balancer'] });
    expect(await received(identity)).toBe('nothing');
    await eventually(() => expect(said).toHaveLength(1));
    expect(said[0]).toContain(`warn: connection refused: ${reason}`);
    expect(said[0]).toContain('from 127.0.0.1');
    expect(members).toEqual([]);
    expect(await received(member)).toBe('welcome by h2');
  },
);

it('repeated refusals with the same reason are logged at debug', async () => {
  await listen();
  for (let i = 0; i < 3; i += 1) await received(undefined);
  await eventually(() => expect(said).toHaveLength(3));
  expect(said.map((line) => line.split(':')[0])).toEqual(['warn', 'debug', 'debug']);
});

it('a client without TLS is refused, and others are served', async () => {
  await listen();
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.on('error', () => undefined).end('GET / HTTP/1.1\r\n\r\n');
  await once(socket.resume(), 'close');
  await eventually(() => expect(said).toHaveLength(1));
  expect(said[0]).toMatch(/^warn: connection refused: ERR_SSL_/);
  expect(await received(member)).toBe('welcome by h2');
});

it('without a CA every client is a member', async () => {
  await listen({ identity: certificates.identityWithoutCa('runner'), allowedNames: ['balancer'] });
  expect(await received(undefined)).toBe('welcome by h2');
  expect(said).toEqual([]);
});

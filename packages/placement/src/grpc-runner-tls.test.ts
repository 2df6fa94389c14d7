import http2 from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { type Logger, silentLogger } from '@fnfleet/core';
import { StreamError } from '@fnfleet/protocol';
import { FleetCertificates, TEST_LINK } from '@fnfleet/testing';
import type { TlsIdentity } from '@fnfleet/tls';
import { newGrpcRunner } from './grpc-runner.js';
import type { Runner } from './runner.js';

const certificates = new FleetCertificates();
const balancer = certificates.identity('balancer');
const ofRunner = (...altNames: string[]) => certificates.identity('runner-1', { altNames });
const ROLE = 'urn:fnfleet:role:pure-runner';

let server: http2.Http2SecureServer;
let sockets: Socket[];
let runner: Runner;
/** Whether clients have shown a certificate of the fleet. */
let shown: boolean[];
let said: string[];
const logger: Logger = {
  ...silentLogger,
  warn: (what) => void said.push(what),
  child: () => logger,
};

/** A runner with this certificate that answers `Status` with an empty message. */
async function serve(identity: TlsIdentity, as: { runnerName?: string } = {}): Promise<Runner> {
  [sockets, shown, said] = [[], [], []];
  const { cert, key, ca } = identity.material;
  server = http2.createSecureServer({ cert, key, ca, requestCert: true, rejectUnauthorized: false });
  server.on('secureConnection', (socket) => {
    sockets.push(socket);
    shown.push(socket.authorized);
  });
  server.on('stream', (stream) => {
    stream.on('error', () => undefined);
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    // One empty message.
    stream.end(Buffer.alloc(5));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const { port } = server.address() as AddressInfo;
  runner = newGrpcRunner(`127.0.0.1:${port}`, {
    ...TEST_LINK,
    tls: { identity: balancer, runnerName: as.runnerName },
    logger,
  });
  return runner;
}
afterEach(async () => {
  await runner.close();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

it.each`
  what                                | altNames                     | runnerName
  ${'the host of its address'}        | ${['127.0.0.1']}             | ${undefined}
  ${'the role of a runner'}           | ${['127.0.0.1', ROLE]}       | ${undefined}
  ${'the common name of all runners'} | ${['runners.example', ROLE]} | ${'runners.example'}
`('a runner with a certificate for $what is accepted, and sees ours', async ({ altNames, runnerName }) => {
  const answered = await serve(ofRunner(...altNames), { runnerName });
  expect(await answered.status()).toMatchObject({ active: 0, load: undefined });
  expect([shown, said]).toEqual([[true], []]);
});

it.each`
  what                                  | identity                                                | runnerName           | why
  ${'another CA'}                       | ${certificates.identity('runner-1', { ours: false })}   | ${undefined}         | ${'unable to verify'}
  ${'another host'}                     | ${ofRunner('10.0.0.9')}                                 | ${undefined}         | ${'is not for 127.0.0.1'}
  ${'another name than the common one'} | ${ofRunner('127.0.0.1')}                                | ${'runners.example'} | ${'is not for runners.example'}
  ${'another role'}                     | ${ofRunner('127.0.0.1', 'urn:fnfleet:role:lb')}         | ${undefined}         | ${'is one of role lb, not pure-runner'}
  ${'an expired validity'}              | ${certificates.identity('runner-1', { expired: true })} | ${undefined}         | ${'certificate has expired'}
`(
  'a runner with a certificate for $what is rejected, and operators are warned once',
  async ({ identity, runnerName, why }) => {
    const refused = await serve(identity, { runnerName });
    const failure = await refused.status().catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(StreamError);
    expect((failure as Error).message).toContain(why);
    await refused.status().catch(() => undefined);
    expect(said).toEqual(['runner cannot be reached']);
  },
);

it('without TLS there are no such checks, and a runner without TLS is not one with TLS', async () => {
  await serve(ofRunner('127.0.0.1'));
  const { port } = server.address() as AddressInfo;
  const plain = newGrpcRunner(`127.0.0.1:${port}`);
  await expect(plain.status()).rejects.toThrow(StreamError);
  await plain.close();
  expect(shown).toEqual([]);
});

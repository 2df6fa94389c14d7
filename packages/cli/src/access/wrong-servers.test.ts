import { writeFileSync } from 'node:fs';
import { createServer as plainHttp } from 'node:http';
import { createSecureServer, createServer as plainHttp2, type ServerHttp2Stream } from 'node:http2';
import { createServer as secureHttp } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import path from 'node:path';
import { systemClock } from '@fnfleet/core';
import { newApiLookup } from '@fnfleet/lb-agent';
import { newGrpcRunner } from '@fnfleet/placement';
import { collectLogs } from '@fnfleet/protocol';
import { TestCertificates, type Visitor } from '@fnfleet/testing';
import { serverTlsOptions } from '@fnfleet/tls';
import { fleetAccess } from './fleet-access.js';
import { readAnswer } from './read-answer.js';

type Wrong = Exclude<Visitor, 'no certificate'> | 'plain text';

let certificates: TestCertificates;
const servers: Server[] = [];
/** Of one test: the whole file may take longer on a busy machine. */
const limit = () => AbortSignal.timeout(60_000);

beforeAll(() => {
  certificates = new TestCertificates();
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

afterAll(() => certificates.remove());

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

/** An api node that knows nothing. */
async function apiNode(who: Wrong, sans?: readonly string[]): Promise<string> {
  const answer = (_req: unknown, res: import('node:http').ServerResponse) =>
    void res.writeHead(404, { connection: 'close' }).end('{"message":"nothing here"}');
  const server =
    who === 'plain text'
      ? plainHttp(answer)
      : secureHttp({ ...serverTlsOptions(certificates.identity(who, sans)), rejectUnauthorized: true }, answer);
  return `https://127.0.0.1:${await listen(server)}`;
}

/** A runner that knows no method. */
async function runner(who: Wrong, sans?: readonly string[]): Promise<string> {
  const server =
    who === 'plain text'
      ? plainHttp2()
      : createSecureServer({ ...serverTlsOptions(certificates.identity(who, sans)), rejectUnauthorized: true });
  server.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '12' }, { endStream: true });
  });
  server.on('sessionError', () => undefined);
  return `127.0.0.1:${await listen(server)}`;
}

const us = () => certificates.identity('member');
const why = (error: Error): string => `${error.message} ${error.cause ? why(error.cause as Error) : ''}`;

const CLIENTS: Record<string, (who: Wrong, sans?: readonly string[]) => Promise<string>> = {
  'a balancer, of an api node': async (who, sans) => {
    const clock = { ...systemClock, sleep: async () => undefined };
    const lookup = newApiLookup(await apiNode(who, sans), { clock, tls: us() });
    try {
      return await lookup.byId('fn', limit()).then(String, why);
    } finally {
      await lookup.close();
    }
  },
  'a balancer, of a runner': async (who, sans) => {
    const there = newGrpcRunner(await runner(who, sans), { tls: { identity: us() }, connectTimeoutMs: 20_000 });
    try {
      return await there.status(limit()).then(String, why);
    } finally {
      await there.close();
    }
  },
  'a command, of an api node': async (who, sans) => {
    const answer = fleetAccess(certificates.env('operator')).call(`${await apiNode(who, sans)}/v2/apps`, {
      signal: limit(),
    });
    return answer.then((response) => response.text(), why);
  },
  'a command, of a runner': async (who, sans) => {
    const session = {
      address: await runner(who, sans),
      tls: { identity: us() },
      config: {},
      onBatch: () => undefined,
      signal: limit(),
    };
    return collectLogs(session).then(String, why);
  },
};

describe.each(Object.entries(CLIENTS))('%s', (_who, ask) => {
  it('connects to a server with the right certificate', async () => {
    expect(await ask('member')).toMatch(/Fn not found|gRPC status 12|nothing here/);
  });

  it.each(['another CA', 'an expired one', 'another name', 'plain text'] as const)(
    'protocol 104: refuses one with %s',
    async (who) => {
      const told = await ask(who);
      expect(told).not.toMatch(/Fn not found|gRPC status 12|nothing here/);
      if (who === 'another name')
        expect(told).toMatch(/the certificate of 127.0.0.1 is not for 127.0.0.1; its names: .*stranger/);
      if (who === 'an expired one') expect(told).toMatch(/expired/i);
      if (who === 'another CA') expect(told).toMatch(/unable to verify|unable to get local issuer|self.signed/i);
    },
  );
});

describe('a certificate of the fleet, for the right host', () => {
  const asked = /Fn not found|gRPC status 12|nothing here/;

  it.each`
    client                          | role             | taken
    ${'a balancer, of an api node'} | ${'api'}         | ${true}
    ${'a balancer, of an api node'} | ${'full'}        | ${true}
    ${'a balancer, of an api node'} | ${'pure-runner'} | ${false}
    ${'a balancer, of an api node'} | ${'lb'}          | ${false}
    ${'a balancer, of an api node'} | ${'operator'}    | ${false}
    ${'a balancer, of a runner'}    | ${'pure-runner'} | ${true}
    ${'a balancer, of a runner'}    | ${'lb'}          | ${false}
    ${'a balancer, of a runner'}    | ${'api'}         | ${false}
    ${'a balancer, of a runner'}    | ${'operator'}    | ${false}
    ${'a command, of an api node'}  | ${'api'}         | ${true}
    ${'a command, of an api node'}  | ${'lb'}          | ${true}
    ${'a command, of an api node'}  | ${'pure-runner'} | ${false}
    ${'a command, of an api node'}  | ${'operator'}    | ${false}
    ${'a command, of a runner'}     | ${'pure-runner'} | ${true}
    ${'a command, of a runner'}     | ${'lb'}          | ${false}
  `('for the role $role is taken by $client: $taken', async ({ client, role, taken }) => {
    const told = await CLIENTS[client]?.('member', ['127.0.0.1', `urn:fnfleet:role:${role}`]);
    if (taken) expect(told).toMatch(asked);
    else expect(told).toMatch(`the certificate of 127.0.0.1 is one of role ${role}, not `);
  });
});

it('accepts a runner that is listed by address if its certificate has the configured name', async () => {
  const address = await runner('another name');
  for (const [runnerName, answer] of [
    ['stranger.example', /gRPC status 12/],
    ['other.example', /is not for other.example/],
  ] as const) {
    const there = newGrpcRunner(address, { tls: { identity: us(), runnerName }, connectTimeoutMs: 20_000 });
    await expect(there.status(limit())).rejects.toThrow(answer);
    await there.close();
  }
});

it('a balancer with TLS refuses an API node without TLS, unless allowed explicitly', () => {
  const options = { clock: systemClock, tls: us() };
  expect(() => newApiLookup('http://api:8080', options)).toThrow(/FN_RUNNER_API_URL: .* is plain text.*use https/);
  return newApiLookup('http://api:8080', { ...options, allowInsecure: true }).close();
});

describe('a command without the right TLS settings names the setting to change', () => {
  const reasonOf = (env: Record<string, string>, url: string) =>
    readAnswer(fleetAccess(env).fetch, `${url}/v2/apps`, { timeoutMs: 60_000 }).then(
      () => 'an answer',
      (error: Error) => error.message,
    );
  const env = () => certificates.env('member');

  it('without FN_TLS_CA', async () => {
    const url = await apiNode('member');
    expect(await reasonOf({}, url)).toMatch(
      `${new URL(url).host} has a certificate of an unknown CA; set FN_TLS_CA=<ca.crt of the fleet>`,
    );
  });

  it('with http for a port with TLS', async () => {
    const url = (await apiNode('member')).replace('https', 'http');
    expect(await reasonOf({}, url)).toMatch(`if ${new URL(url).host} uses TLS, use https://${new URL(url).host}`);
  });

  it('with https for a port without TLS', async () => {
    const url = await apiNode('plain text');
    expect(await reasonOf(env(), url)).toMatch(`${new URL(url).host} does not use TLS; use http://`);
  });

  it('without a certificate where one is required', async () => {
    const { FN_TLS_CA = '' } = env();
    expect(await reasonOf({ FN_TLS_CA }, await apiNode('member'))).toMatch(
      'requires a certificate of its fleet: set FN_TLS_CERT, FN_TLS_KEY and FN_TLS_CA',
    );
  });

  it.each`
    what               | text                                                   | says
    ${'no PEM'}        | ${() => 'hello'}                                       | ${/FN_TLS_CA: .* has no certificate/}
    ${'nothing'}       | ${() => ''}                                            | ${/FN_TLS_CA: .* has no certificate/}
    ${'a member’s'}    | ${() => certificates.identity('member').material.cert} | ${/FN_TLS_CA: .* is not a CA/}
    ${'a private key'} | ${() => certificates.identity('member').material.key}  | ${/FN_TLS_CA: .* holds a private key/}
  `('with an FN_TLS_CA that holds $what', ({ text, says }) => {
    const file = path.join(certificates.folder, 'not-a-ca.crt');
    writeFileSync(file, text());
    expect(() => fleetAccess({ FN_TLS_CA: file })).toThrow(says);
  });
});

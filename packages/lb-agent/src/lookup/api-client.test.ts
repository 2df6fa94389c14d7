import http from 'node:http';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import { CancelledError, FakeClock, MIB } from '@fnfleet/core';
import { eventually, FleetCertificates } from '@fnfleet/testing';
import type { TlsIdentity } from '@fnfleet/tls';
import { ApiClient, type ApiClientOptions } from './api-client.js';

const certificates = new FleetCertificates();
const balancer = certificates.identity('balancer');

let clock: FakeClock;
let server: http.Server | undefined;
let client: ApiClient;
/** What came in: path, and what was shown. */
let asked: string[];
beforeEach(() => {
  clock = new FakeClock();
  asked = [];
});
afterEach(async () => {
  await client?.close();
  server?.closeAllConnections();
  await new Promise((resolve) => (server ? server.close(resolve) : resolve(undefined)));
  server = undefined;
  expect(clock.pendingTimers).toBe(0);
});

/** An api node that gives these answers one after the other; the last goes on. @returns host and port */
async function serve(
  answers: readonly (number | string)[],
  identity?: TlsIdentity,
  host = '127.0.0.1',
): Promise<string> {
  const listener: http.RequestListener = (req, res) => {
    asked.push(`${req.method} ${req.url} ${req.headers.authorization ?? '-'}`);
    const answer = answers[Math.min(asked.length, answers.length) - 1];
    if (answer === 'hang') return;
    if (answer === 'break') return void res.destroy();
    if (typeof answer === 'number') res.writeHead(answer).end(` because of ${answer}\n`);
    else res.end(answer);
  };
  const { cert, key, ca } = identity?.material ?? {};
  server = identity ? https.createServer({ cert, key, ca, requestCert: true }, listener) : http.createServer(listener);
  await new Promise<void>((resolve) => server?.listen(0, host, resolve));
  return `${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;
}

function read(url: string, options: Partial<ApiClientOptions> = {}, signal = new AbortController().signal) {
  client = new ApiClient(url, { clock, random: () => 0.5, ...options });
  return client.read('/v2/fns/a%2Fb?x', String, signal);
}

/** What a reading comes to, with the pauses between tries passing at once; and how long those were. */
async function outcomeOf(reading: Promise<string | undefined>): Promise<{ answer: unknown; waitedMs: number }> {
  const from = clock.now();
  let answer: unknown;
  let done = false;
  reading
    .catch((error: Error & { cause?: Error }) => [error.message, error.cause?.message])
    .then((found) => {
      answer = found;
      done = true;
    });
  while (!done) {
    // Time stands still while the network is at work.
    if (clock.pendingTimers > 0) await clock.advance(5);
    await new Promise(setImmediate);
  }
  return { answer, waitedMs: clock.now() - from };
}

describe('an answer', () => {
  it('is returned unchanged, and the path is sent unchanged', async () => {
    expect(await read(await serve(['{"id":"ü"}']))).toBe('{"id":"ü"}');
    expect(asked).toEqual(['GET /v2/fns/a%2Fb?x -']);
  });

  it('is requested with the token, if there is one', async () => {
    await read(await serve(['{}']), { token: 'secret' });
    expect(asked).toEqual(['GET /v2/fns/a%2Fb?x Bearer secret']);
  });

  it.each`
    status | answer
    ${400} | ${['internal server error', 'GET /v2/fns/a%2Fb?x: 400 because of 400']}
    ${300} | ${['internal server error', 'GET /v2/fns/a%2Fb?x: 300 because of 300']}
    ${499} | ${['internal server error', 'GET /v2/fns/a%2Fb?x: 499 because of 499']}
  `('of $status is final', async ({ status, answer }) => {
    const outcome = await outcomeOf(read(await serve([status, 'never'])));
    expect(outcome.answer).toEqual(answer);
    expect(asked).toHaveLength(1);
  });
});

describe('a 404', () => {
  const notFound = async (body: string) => {
    const url = await serve([]);
    server?.removeAllListeners('request');
    server?.on('request', (_req, res) => void res.writeHead(404).end(body));
    return (await outcomeOf(read(url))).answer;
  };

  it('of an API node is final', async () => {
    expect(await notFound('{"message":"Fn not found"}\n')).toBeUndefined();
  });

  it.each([
    ['a proxy', '<html>Not Found</html>'],
    ['a node that is not an API node', '{"message":"Path not found: GET /v2/fns/a/b"}\n'],
    ['a server of something else', '{"error":"no such document"}'],
  ])('of %s does not count as an answer about the function', async (_who, body) => {
    expect(await notFound(body)).toEqual([expect.stringMatching(/looked up/), expect.stringContaining(body.trim())]);
  });
});

it('an answer above the size limit is not read to its end, and is retried like any failure', async () => {
  const { answer } = await outcomeOf(read(await serve(['x'.repeat(8 * MIB + 1)])));
  expect(answer).toEqual([expect.anything(), expect.stringContaining(`an answer of more than ${8 * MIB} bytes`)]);
  await client.close();
  server?.closeAllConnections();
  server?.close();
  expect(await read(await serve(['y'.repeat(8 * MIB)]))).toHaveLength(8 * MIB);
});

describe('a transient failure', () => {
  it.each([500, 503, 'break'])('(%s) is retried', async (trouble) => {
    expect(await outcomeOf(read(await serve([trouble, trouble, '{}'])))).toMatchObject({ answer: '{}' });
    expect(asked).toHaveLength(3);
  });

  it('is retried up to six attempts with growing pauses, and then reported', async () => {
    const { answer, waitedMs } = await outcomeOf(read(await serve([502])));
    expect(answer).toEqual([expect.stringMatching(/./), 'GET /v2/fns/a%2Fb?x: 502 because of 502']);
    expect(asked).toHaveLength(6);
    // 25 ms before each, and 25 ms for each of 1 + 3 + 7 + 15 + 31, as chance is in the middle; in steps of 5 ms.
    expect(waitedMs).toBeGreaterThanOrEqual(5 * 25 + 57 * 25);
    expect(waitedMs).toBeLessThanOrEqual(5 * 25 + 57 * 25 + 50);
  });

  it('is not reported to a caller that disconnects, even during a pause', async () => {
    const caller = new AbortController();
    const reading = read(await serve([500]), {}, caller.signal);
    await eventually(() => expect([asked.length, clock.pendingTimers]).toEqual([1, 1]));
    caller.abort(new Error('left'));
    await expect(reading).rejects.toThrow('left');
    expect(asked).toHaveLength(1);
  });

  it('is not reported to a caller that disconnects during the request', async () => {
    const caller = new AbortController();
    const reading = read(await serve(['hang']), {}, caller.signal);
    await eventually(() => expect(asked).toHaveLength(1));
    caller.abort(new Error('left'));
    await expect(reading).rejects.toThrow('left');
  });

  it('is not retried once the client is closed: pending requests fail', async () => {
    const reading = read(await serve(['hang'])).catch((error: Error & { cause?: Error }) => error.cause?.message);
    await eventually(() => expect(asked).toHaveLength(1));
    await client.close();
    expect(await reading).toContain('GET /v2/fns/a%2Fb?x: ');
    expect(asked).toHaveLength(1);
  });
});

describe('over TLS', () => {
  const api = certificates.identity('api', { altNames: ['127.0.0.1', 'urn:fnfleet:role:api'] });

  it('an API node of the fleet is trusted', async () => {
    expect(await read(await serve(['{}'], api), { tls: balancer })).toBe('{}');
  });

  it('an API node at an IPv6 address is trusted too', async () => {
    const identity = certificates.identity('api', { altNames: ['::1', 'urn:fnfleet:role:api'] });
    const { answer } = await outcomeOf(read(await serve(['{}'], identity, '::1'), { tls: balancer }));
    expect(answer).toBe('{}');
  });

  it('an API node with the common name of all API nodes is trusted at any address', async () => {
    const identity = certificates.identity('api', { altNames: ['api.example'] });
    const { answer } = await outcomeOf(read(await serve(['{}'], identity), { tls: balancer, tlsName: 'api.example' }));
    expect(answer).toBe('{}');
  });

  it.each`
    what                      | identity                                                                               | why
    ${'another CA'}           | ${certificates.identity('api', { ours: false })}                                       | ${'unable to verify'}
    ${'another host'}         | ${certificates.identity('api', { altNames: ['api.example'] })}                         | ${'is not for 127.0.0.1'}
    ${'the role of a runner'} | ${certificates.identity('r1', { altNames: ['127.0.0.1', 'urn:fnfleet:role:runner'] })} | ${'is one of role runner, not api or full'}
  `('an API node with a certificate of $what is not trusted', async ({ identity, why }) => {
    const { answer } = await outcomeOf(read(await serve(['{}'], identity), { tls: balancer }));
    expect(answer).toEqual([expect.anything(), expect.stringContaining(why)]);
    expect(asked).toEqual([]);
  });
});

describe('the address of the API node', () => {
  const made = (url: string, options: Partial<ApiClientOptions> = {}) => {
    client = new ApiClient(url, { clock, ...options });
    return client;
  };

  it.each(['', 'http://', 'ftp://api:80', 'a b', '://x'])('%p has no host', (url) => {
    expect(() => made(url)).toThrow(`FN_RUNNER_API_URL: no host specified for client, got ${JSON.stringify(url)}`);
  });

  it('without TLS is refused if the fleet uses TLS, unless allowed explicitly', () => {
    expect(() => made('http://api:80', { tls: balancer })).toThrow(
      'http://api:80 is plain text, but this node uses TLS',
    );
    expect(() => made('http://api:80', { tls: balancer, allowInsecure: true })).not.toThrow();
    expect(() => made('https://api:80', { tls: balancer })).not.toThrow();
    expect(() => made('http://api:80')).not.toThrow();
  });

  it('without a scheme gets the scheme of the fleet', async () => {
    const address = await serve(['{}']);
    const { answer } = await outcomeOf(read(address, { tls: balancer }));
    expect(answer).toEqual([expect.anything(), expect.stringMatching(/SSL|wrong version|EPROTO/i)]);
  });
});

describe('the state of the API node', () => {
  const status = async (url: string) => {
    client = new ApiClient(url, { clock, token: 'sesame' });
    const [only, ...others] = await client.status(3_000);
    expect(others).toEqual([]);
    return only;
  };

  it('is determined by one request that resembles a lookup', async () => {
    const address = await serve(['{}']);
    expect(await status(address)).toEqual({ url: `http://${address}`, inUse: true });
    expect(asked).toEqual(['GET /v2/apps?per_page=1 Bearer sesame']);
  });

  it.each([
    ['refuses the request', 403, '403 because of 403'],
    ['fails', 500, '500 because of 500'],
    ['closes the connection', 'break', 'socket hang up'],
  ])('has the trouble of one that %s', async (_what, answer, trouble) => {
    expect((await status(await serve([answer])))?.trouble).toContain(trouble);
    expect(asked).toHaveLength(1);
  });

  it('has the trouble of one that does not answer in time', async () => {
    const asking = status(await serve(['hang']));
    await eventually(() => expect(asked).toHaveLength(1));
    await clock.advance(3_000);
    expect((await asking)?.trouble).toBe('no answer within 3000 ms');
  });

  it('has the trouble of one that is unreachable', async () => {
    expect((await status('127.0.0.1:1'))?.trouble).toContain('ECONNREFUSED');
  });
});

it('closing an idle client takes effect at once and is idempotent', async () => {
  await read(await serve(['{}']));
  await client.close();
  await client.close();
  await expect(client.read('/x', String, AbortSignal.abort(new CancelledError()))).rejects.toThrow(CancelledError);
});

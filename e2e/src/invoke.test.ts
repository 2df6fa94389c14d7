// takes: 9 s

import { connect } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { MIB } from '@fnfleet/core';
import { until } from '@fnfleet/testing';
import Docker from 'dockerode';
import { startEmptyRegistry } from './harness/empty-registry.js';
import { Fleet } from './harness/fleet.js';
import { type Answer, errorOf, invoke, reportOf } from './harness/invoke.js';
import { request } from './harness/requests.js';

jest.setTimeout(120_000);

const MAX_REQUEST_BYTES = MIB;

describe('calls through a fleet', () => {
  let fleet: Fleet;
  let url: string;

  beforeAll(async () => {
    fleet = await Fleet.start({ settings: { FN_MAX_REQUEST_SIZE: `${MAX_REQUEST_BYTES}` } });
    url = await fleet.deployed({ name: 'probe' });
  });

  afterAll(async () => {
    expect(await fleet.stop()).toEqual([]);
    expect(fleet.log).not.toMatch(/uncaught error|unhandled rejection/);
  });

  const expectServes = async () => expect((await invoke(url, { knobs: { body: 'still here' } })).status).toBe(200);

  describe('an answer', () => {
    it('http-api 75: has the body, the type, the length and the id of the call', async () => {
      const headers = { 'Content-Type': 'foo/bar', 'Content-Length': '5' };
      const answer = await invoke(url, { knobs: { body: 'hello', headers } });

      expect([answer.status, answer.body.toString()]).toEqual([200, 'hello']);
      expect(answer.headers).toMatchObject({ 'content-type': 'foo/bar', 'content-length': '5' });
      expect(answer.headers['fn-call-id']).toMatch(/^\w{26}$/);
    });

    it('http-api 88: has the headers of the function, repeated ones too', async () => {
      const headers = { 'X-Custom': 'of the function', 'Set-Cookie': ['a=1', 'b=2'] };
      const answer = await invoke(url, { knobs: { headers } });

      expect(answer.headers['x-custom']).toBe('of the function');
      expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    });

    it.each`
      functionStatus | status | message
      ${502}         | ${502} | ${'function failed'}
      ${504}         | ${504} | ${'Timed out'}
      ${418}         | ${502} | ${'invalid function response'}
    `('http-api 78: is $status when the function says $functionStatus', async ({ functionStatus, status, message }) => {
      const answer = await invoke(url, { knobs: { status: functionStatus } });

      expect(errorOf(answer)).toEqual([status, message]);
      expect(answer.headers['fn-call-id']).toMatch(/^\w{26}$/);
    });
  });

  describe('containers', () => {
    it('serve one call after the other', async () => {
      const first = reportOf(await invoke(url));
      const second = reportOf(await invoke(url));

      expect(second).toMatchObject({ instance: first.instance, hostname: first.hostname });
      expect(second.request).toBe(first.request + 1);
    });

    it('serve one call at a time: the second of two gets another; the client that leaves ends only its own', async () => {
      const first = reportOf(await invoke(url));
      const canceled = await fleet.metric('fn_canceled');
      const client = new AbortController();
      const left = invoke(url, { knobs: { sleepMs: 50_000 }, signal: client.signal }).catch(
        (error: Error) => error.name,
      );
      await until({
        what: 'the first call runs',
        look: async () => ((await fleet.metric('fn_running')) === 1 ? true : undefined),
      });

      const second = reportOf(await invoke(url));
      expect(second.instance).not.toBe(first.instance);

      client.abort();
      expect(await left).toBe('AbortError');
      await until({
        what: 'http-api 85: the call is counted as canceled',
        look: async () => ((await fleet.metric('fn_canceled')) === canceled + 1 ? true : undefined),
      });
      await untilContainerGone(first.hostname);
      await expectServes();
    });

    it('that die in the middle of a call fail that call only', async () => {
      expect(errorOf(await invoke(url, { knobs: { exitCode: 3 } }))).toEqual([
        502,
        'error receiving function response',
      ]);
      await expectServes();
    });

    it('that take more memory than they have fail that call only', async () => {
      const hog = await fleet.deployed({ name: 'hog', memory: 64 });

      expect(errorOf(await invoke(hog, { knobs: { hogMb: 256 } }))).toEqual([502, 'error receiving function response']);
      expect((await invoke(hog)).status).toBe(200);
    });

    it('that end before they listen fail the call', async () => {
      const broken = await fleet.deployed({ name: 'broken', config: { PROBE_INIT_EXIT: '3' } });

      expect(errorOf(await invoke(broken))).toEqual([502, expect.stringContaining('Container failed to initialize')]);
    });

    it('that pass the timeout are ended, and the next call gets another', async () => {
      const slow = await fleet.deployed({ name: 'slow', timeout: 2 });
      const before = reportOf(await invoke(slow));
      const from = performance.now();
      expect(errorOf(await invoke(slow, { knobs: { sleepMs: 50_000 } }))).toEqual([504, 'Timed out']);
      const tookMs = performance.now() - from;

      expect(tookMs).toBeGreaterThan(1_900);
      expect(tookMs).toBeLessThan(40_000);
      expect(reportOf(await invoke(slow)).instance).not.toBe(before.instance);
      await untilContainerGone(before.hostname);
    });

    it('whose image does not exist fail the call with the words of the engine', async () => {
      const registry = await startEmptyRegistry();
      try {
        const image = `${registry.host}/not/there:1`;
        const missing = await fleet.deployed({ name: 'missing', image });

        const [status, message] = errorOf(await invoke(missing));
        expect(status).toBe(404);
        expect(message).toMatch(`Failed to pull image '${image}': `);
        expect(message).toMatch(/not found|does not exist/);
      } finally {
        await registry.close();
      }
    });
  });

  describe('a trigger', () => {
    it('http-api 93, 95: passes method, headers and URL in, status and headers out', async () => {
      const fn = await fleet.deploy({ name: 'triggered' });
      const { app_id } = JSON.parse(await text((await request(`${fleet.apiUrl}/v2/fns/${fn.id}`)).body));
      const created = await request(`${fleet.apiUrl}/v2/triggers`, {
        method: 'POST',
        body: JSON.stringify({ name: 'there', app_id, fn_id: fn.id, type: 'http', source: '/over/there' }),
      });
      const trigger = JSON.parse(await created.body.text());
      const endpoint = trigger.annotations['fnproject.io/trigger/httpEndpoint'];
      expect(endpoint).toBe(`${fleet.lbUrl}/t/e2e/over/there`);

      const headers = { 'Fn-Http-Status': '202', 'Fn-Http-H-X-Reply': 'yes', 'X-Hidden': 'no' };
      const answer = await invoke(`${endpoint}?a=1`, {
        method: 'PUT',
        headers: { 'x-ask': 'me' },
        knobs: { about: true, headers },
      });

      expect(answer.status).toBe(202);
      expect(answer.headers).toMatchObject({ 'x-reply': 'yes' });
      expect(answer.headers).not.toHaveProperty('x-hidden');
      const seen = headersSeen(answer);
      expect(seen).toMatchObject({
        'fn-http-method': 'PUT',
        'fn-http-request-url': `${endpoint}?a=1`,
        'fn-http-h-x-ask': 'me',
        'fn-intent': 'httprequest',
      });
    });
  });

  describe('requests that are refused', () => {
    it('http-api 83: a function that does not exist is 404', async () => {
      expect(errorOf(await invoke(`${fleet.lbUrl}/invoke/there-is-none`))).toEqual([404, 'Fn not found']);
    });

    it('http-api 12: a body that is declared too large is 413, one of the limit is taken', async () => {
      const large = await invoke(url, { body: Buffer.alloc(MAX_REQUEST_BYTES + 1) });
      expect(errorOf(large)).toEqual([413, `Content-Length too large for this server, 1048577 > max 1048576`]);
      expect((await invoke(url, { body: Buffer.alloc(MAX_REQUEST_BYTES) })).status).toBe(200);
    });

    it('a body that turns out too large is 413 too', async () => {
      const chunks = Readable.from(Array.from({ length: 5 }, () => Buffer.alloc(MAX_REQUEST_BYTES / 4)));
      expect((await invoke(url, { body: chunks })).status).toBe(413);
      await expectServes();
    });

    it('what is not HTTP is 400, and the node lives on', async () => {
      expect(await sendRaw('NOT EVEN\u0000CLOSE\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
      expect(await sendRaw('POST /invoke/x HTTP/1.1\r\nHost: a\r\nContent-Length: many\r\n\r\n')).toMatch(
        /^HTTP\/1\.1 400 /,
      );
      await expectServes();
    });
  });

  function sendRaw(bytes: string): Promise<string> {
    const { hostname, port } = new URL(fleet.lbUrl);
    const socket = connect(Number(port), hostname);
    socket.end(bytes);
    return text(socket);
  }
});

function headersSeen(answer: Answer): Record<string, string> {
  const { headers } = JSON.parse(answer.body.toString()).call;
  const seen: Record<string, string> = {};
  for (let at = 0; at < headers.length; at += 2) seen[headers[at].toLowerCase()] = headers[at + 1];
  return seen;
}

/** @param hostname of a container: the beginning of its id */
function untilContainerGone(hostname: string): Promise<true> {
  const docker = new Docker();
  return until({
    what: `container ${hostname} is removed`,
    look: () =>
      docker
        .getContainer(hostname)
        .inspect()
        .then(
          () => undefined,
          (error: { statusCode?: number }) => (error.statusCode === 404 ? true : Promise.reject(error)),
        ),
  });
}

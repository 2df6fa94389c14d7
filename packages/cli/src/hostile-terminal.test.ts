// takes: 4 s
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MIB } from '@fnfleet/core';
import { eventually } from '@fnfleet/testing';
import { runCommand } from './test-kit/run-command.js';

/** Of what a terminal would obey, or what hides and turns text. */
const CONTROLS = /[[\p{Cc}\p{Bidi_Control}]--[\n\t]]/v;
const ESCAPES = '\x1b[2J\x1b]0;owned\x07\x1b]8;;http://evil\x1b\\\x1bP$q\x1b\\\x9b31m\u202e\u2028\r\x08';
const HOSTILE = `${ESCAPES}\nall is well\n${'long '.repeat(40_000)}`;
/** Of a line: the widest table there can be, with every character escaped, has more than any line of words. */
const MAX_LINE = 16_000;

const FN = { id: 'f', app_id: 'a', name: 'f', image: 'i' };
let server: Server;
let url: string;
let answer: (path: string, response: ServerResponse) => void;

beforeEach(async () => {
  server = createServer((request: IncomingMessage, response) => answer(request.url ?? '', response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  process.exitCode = undefined;
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});
// Each run in this process leaves listeners at the one output of all.
beforeAll(() => {
  process.stdout.setMaxListeners(100);
  process.setMaxListeners(100);
});

const json = (response: ServerResponse, value: unknown, status = 200) =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));

/** A balancer and API node in one whose every word is hostile. */
function fleetOf(runners: number): void {
  const load = {
    memory_used_bytes: 1e308,
    memory_total_bytes: -1e308,
    cpu_used_millis: 1e308,
    cpu_total_millis: 0.1,
    active: 1,
    waiting: 1e308,
    draining: false,
    degraded: true,
    degraded_reason: HOSTILE,
  };
  const runner = (at: number) => ({
    address: `r${at}:1${HOSTILE}`,
    state: HOSTILE,
    reason: HOSTILE,
    name: HOSTILE,
    version: HOSTILE,
    in_flight: 1e308,
    warm_functions: 1e308,
    clock_skew_ms: 1e308,
    load,
  });
  const fleet = {
    version: HOSTILE,
    waiting: 1e308,
    in_flight: 1,
    api: { url: HOSTILE, trouble: HOSTILE },
    pool: {
      kind: HOSTILE,
      source: HOSTILE,
      failing: true,
      last_failure: { reason: HOSTILE, age_ms: 1 },
      leaving: Array.from({ length: 10_000 }, (_, at) => `gone${at}${ESCAPES}`),
      refused: Array.from({ length: 1_000 }, (_, at) => ({ address: `bad${at}`, reason: ESCAPES })),
    },
    cordons: Array.from({ length: 10_000 }, (_, at) => `away${at}${ESCAPES}`),
    troubles: [HOSTILE],
    runners: Array.from({ length: runners }, (_, at) => runner(at)),
  };
  answer = (_path, response) => json(response, fleet);
}

const longest = (output: string) => Math.max(...output.split('\n').map((line) => line.length));

it.each([['status'], ['top --once']])(
  'fnfleet %s shows a fleet of hostile words: escaped, in lines that end',
  async (words) => {
    fleetOf(5);
    const { output } = await runCommand(...words.split(' '), '--lb', url);
    expect(output).not.toMatch(CONTROLS);
    expect(output).not.toMatch(/^all is well/m);
    expect(output).toContain('\\u001b');
    expect(longest(output)).toBeLessThan(MAX_LINE);
    expect(output.split('\n').length).toBeLessThan(300);
  },
);

it.each([['status'], ['top']])(
  'fnfleet %s --json has all of it, as JSON without control characters',
  async (command) => {
    fleetOf(1);
    const { stdout } = await runCommand(command, '--lb', url, '--json');
    expect(stdout).not.toMatch(CONTROLS);
    expect(JSON.stringify(JSON.parse(stdout))).toContain('owned');
  },
);

describe('an asynchronous call of hostile words', () => {
  const time = HOSTILE;
  const content = { encoding: 'utf8', body: HOSTILE, size: 1e308 };
  const call = (status: string) => ({
    ...{ id: `c${HOSTILE}`, status, attempts: 1e308, created_at: time, started_at: time, completed_at: time },
    ...{ error: HOSTILE, app_id: 'a', fn_id: `f${HOSTILE}`, priority: 1e308, failures: 1e308, next_attempt_at: time },
    callbacks: [
      {
        ...{ id: `c${HOSTILE}`, status, attempts: 1e308, created_at: time, started_at: time, completed_at: time },
        ...{ error: HOSTILE, app_id: 'a', fn_id: `f${HOSTILE}` },
      },
    ],
    history: [{ attempt: 1e308, balancer: HOSTILE, started_at: time, ended_at: time, end: HOSTILE, error: HOSTILE }],
    result: { status: 1e308, ...content },
    request: { method: HOSTILE, url: HOSTILE, ...content },
  });
  const serve = (status: string) => {
    const fn = { ...FN, annotations: { 'fnproject.io/fn/invokeEndpoint': `${url}/invoke/f` } };
    answer = (path, response) => {
      if (path === '/invoke/f') return json(response, { call_id: `c${HOSTILE}` }, 202);
      if (path.startsWith('/v2/calls/')) return json(response, call(status));
      if (path.includes('/calls')) return json(response, { items: [call(status)] });
      return json(response, { items: [fn] });
    };
  };

  it.each([
    ['calls a f', 0],
    ['call c1', 0],
    ['dead list', 0],
    ['dead show c1', 0],
    ['dead redrive c1', 1],
    ['invoke a f --data x --async', 0],
  ])('is shown by fnfleet %s escaped, in lines that end and cannot be taken for others', async (words, expected) => {
    serve(HOSTILE);
    const { output, code } = await runCommand(...words.split(' '), '--api', url);
    expect([code, output]).toEqual([expected, expect.not.stringMatching(CONTROLS)]);
    expect(output).not.toMatch(/^all is well/m);
    expect(output).toContain('\\u001b');
    // What a function has answered is shown as it is.
    expect(longest(output.replace(/^ {2}.*$/gm, ''))).toBeLessThan(MAX_LINE);
  });

  it('is no reason for a long error when it has failed', async () => {
    serve('error');
    const { output, code } = await runCommand(...'invoke a f --data x --async --wait --api'.split(' '), url);
    expect([code, output]).toEqual([1, expect.not.stringMatching(CONTROLS)]);
    expect(output).not.toMatch(/^all is well/m);
    expect(longest(output)).toBeLessThan(3_000);
  });
});

describe('fnfleet logs', () => {
  const RUNNER = { address: 'r1:9190', state: 'ok', in_flight: 0, warm_functions: 0 };
  const logsAnswer = (serve: (response: ServerResponse) => void) => {
    answer = (path, response) => {
      if (path === '/fleet' || path.startsWith('/fleet?')) return json(response, { runners: [RUNNER] });
      if (path.startsWith('/fleet/runners/')) return serve(response);
      return json(response, { items: [FN] });
    };
  };
  const logs = (...more: string[]) =>
    runCommand('logs', 'f', '--app', 'a', '--lb', url, '--api', url, '--no-follow', ...more);
  const line = (text: string) => ({
    at_ms: 1e308,
    source: 'stderr',
    text: Buffer.from(text).toString('base64'),
    call_id: HOSTILE,
    fn_id: HOSTILE,
    app_id: HOSTILE,
    container_id: HOSTILE,
  });

  it('shows the output of a hostile runner escaped, on single lines, and truncated', async () => {
    const piece = JSON.stringify({ dropped: 1e308, lines: [line(ESCAPES), line('x'.repeat(4 * MIB))] });
    logsAnswer((response) => response.writeHead(200).end(`${piece}\n`));
    const { output, stdout, code } = await logs();
    expect([code, output]).toEqual([0, expect.not.stringMatching(CONTROLS)]);
    expect(stdout.match(/\n/g)).toHaveLength(2);
    expect(longest(output)).toBeLessThan(MIB);
  });

  it.each([
    ['refuses with an answer that does not end', 500],
    ['refuses what it is asked with one', 404],
  ])('gives up on a balancer that %s', async (_, status) => {
    let taken = 0;
    logsAnswer((response) => {
      response.writeHead(status);
      const part = Buffer.alloc(MIB, ESCAPES);
      const write = () => {
        for (let more = true; more && !response.destroyed; taken += part.length) more = response.write(part);
      };
      response.on('drain', write);
      write();
    });
    const { output, code } = await logs();
    expect([code, output]).toEqual([1, expect.stringContaining('fnfleet: ')]);
    expect(output).not.toMatch(CONTROLS);
    expect(longest(output)).toBeLessThan(3_000);
    expect(taken).toBeLessThan(100 * MIB);
  });

  it.each([
    ['a refusal', (response: ServerResponse) => json(response, { message: HOSTILE }, 403)],
    [
      'a failure',
      (response: ServerResponse) => void response.end(`${JSON.stringify({ error: { code: 3, details: HOSTILE } })}\n`),
    ],
    ['what is none', (response: ServerResponse) => void response.end(`${HOSTILE}\n`)],
  ])('reports the reason in one or two lines: %s', async (_, serve) => {
    logsAnswer(serve);
    const { output, code } = await logs();
    expect([code, output]).toEqual([1, expect.stringContaining('fnfleet: ')]);
    expect(output).not.toMatch(CONTROLS);
    expect(longest(output)).toBeLessThan(3_000);
  });
});

describe('the progress of an image pull', () => {
  /** Resolves when the command has shown it. */
  const progressShown = () =>
    eventually(() => expect(jest.mocked(process.stderr.write).mock.calls.join('')).toContain('the image i'));

  it.each([[true], [false]])(
    'is one line of the terminal, whatever the image is called (terminal: %s)',
    async (isTTY) => {
      const image = `i${ESCAPES}\n${'x'.repeat(2_000)}`;
      const before = Object.getOwnPropertyDescriptor(process.stderr, 'isTTY');
      Object.defineProperty(process.stderr, 'isTTY', { value: isTTY, configurable: true });
      const fn = { ...FN, image, annotations: { 'fnproject.io/fn/invokeEndpoint': `${url}/invoke/f` } };
      answer = (path, response) => {
        if (path === '/pulls') {
          return json(response, { pulls: [{ image, received_bytes: 1e308, total_bytes: 1e308 }] });
        }
        if (path === '/invoke/f') return void progressShown().then(() => response.end('done'));
        return json(response, { items: [fn] });
      };
      try {
        const { output, code } = await runCommand('invoke', 'a', 'f', '--data', '', '--api', url);
        expect(code).toBe(0);
        expect(output).toContain('is being pulled'.slice(0, isTTY ? 0 : undefined));
        expect(output).toContain('the image i\\u001b');
        // The one sequence of our own clears the line.
        expect(output.replaceAll('\r\x1b[K', '')).not.toMatch(CONTROLS);
      } finally {
        if (before) Object.defineProperty(process.stderr, 'isTTY', before);
        else Reflect.deleteProperty(process.stderr, 'isTTY');
      }
    },
  );
});

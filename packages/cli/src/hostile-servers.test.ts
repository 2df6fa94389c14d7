// takes: 22 s
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { MIB } from '@fnfleet/core';
import { readAnswer } from './access/read-answer.js';
import { plainFetch } from './access/secure-fetch.js';
import { runCommand } from './test-kit/run-command.js';

const TOKEN = 'sesame';
/** Of what a terminal would obey. */
const CONTROLS = /[[\p{Cc}\p{Bidi_Control}]--[\n\t]]/v;
const HOSTILE = 'bad\x1b[2J\x1b]0;owned\x07\x9b\u202e\rall is well';

let url: string;
let elsewhere: string;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let seenElsewhere: string[];
let folder: string;
const servers: Server[] = [];

async function listen(handler: typeof answer): Promise<string> {
  const server = createServer(handler);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'fnfleet-hostile-'));
  writeFileSync(path.join(folder, 'func.yaml'), 'name: f\nimage: i\n');
  seenElsewhere = [];
  url = await listen((request, response) => answer(request, response));
  elsewhere = await listen((request, response) => {
    seenElsewhere.push(`${request.method} ${request.url} ${request.headers.authorization ?? 'no token'}`);
    response.end('{}');
  });
  process.env.FN_OPERATOR_TOKEN = TOKEN;
});

afterEach(async () => {
  delete process.env.FN_OPERATOR_TOKEN;
  process.exitCode = undefined;
  rmSync(folder, { recursive: true });
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

const COMMANDS: Readonly<Record<string, () => string[]>> = {
  status: () => ['status', '--lb', url],
  'status --json': () => ['status', '--lb', url, '--json'],
  top: () => ['top', '--lb', url, '--once'],
  drain: () => ['drain', 'r1:9190', '--lb', url],
  'drain <url>': () => ['drain', url],
  undrain: () => ['undrain', 'r1:9190', '--lb', url],
  explain: () => ['explain', 'c1', '--lb', url],
  deploy: () => ['deploy', folder, '--app', 'a', '--api', url],
  invoke: () => ['invoke', 'a', 'f', '--data', '', '--api', url],
  'invoke --async': () => ['invoke', 'a', 'f', '--async', '--wait', '--data', '', '--api', url],
  calls: () => ['calls', 'a', 'f', '--api', url],
  call: () => ['call', 'c1', '--api', url],
  cancel: () => ['cancel', 'c1', '--api', url],
  'dead list': () => ['dead', 'list', '--api', url],
  'dead show': () => ['dead', 'show', 'c1', '--api', url],
  'dead redrive': () => ['dead', 'redrive', 'c1', '--api', url],
  'dead purge': () => ['dead', 'purge', '--function', 'f', '--api', url],
  'create app': () => ['create', 'app', 'a', '--api', url],
  'create trigger': () => ['create', 'trigger', 'a', 'f', 't', '--source', '/t', '--api', url],
  'list apps': () => ['list', 'apps', '--api', url],
  'list functions': () => ['list', 'functions', 'a', '--api', url],
  'list triggers': () => ['list', 'triggers', 'a', '--api', url, '--json'],
  'inspect app': () => ['inspect', 'app', 'a', '--api', url],
  'update function': () => ['update', 'function', 'a', 'f', '--memory', '64', '--api', url],
  'delete trigger': () => ['delete', 'trigger', 'a', 'f', 't', '--api', url],
  'config app': () => ['config', 'app', 'a', 'K=V', '--api', url],
  logs: () => ['logs', 'f', '--app', 'a', '--api', url],
  health: () => ['health', '--url', url],
};

/** Bytes that were taken of answers that do not end. */
let taken = 0;

function endless(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'application/json' });
  const part = Buffer.alloc(MIB, '[');
  const write = () => {
    while (!response.destroyed) {
      taken += part.length;
      if (!response.write(part)) return void response.once('drain', write);
    }
  };
  write();
}

const json = (status: number, value: unknown) => (_request: IncomingMessage, response: ServerResponse) =>
  void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));

const WRONG_FORMS = [
  null,
  [],
  'text',
  { runners: [null] },
  { runners: [{ address: 1 }] },
  { runners: 'many', items: 'many' },
  { items: [{ id: 7 }] },
  { items: {} },
];

describe.each(Object.entries(COMMANDS))('fnfleet %s', (_name, args) => {
  it.each<[string, () => typeof answer]>([
    ['answers without an end', () => endless],
    ['redirects to somebody else', () => (_req, res) => void res.writeHead(302, { location: `${elsewhere}/x` }).end()],
    ['redirects with the body', () => (_req, res) => void res.writeHead(307, { location: `${elsewhere}/x` }).end()],
    ['answers with what is not JSON', () => (_req, res) => void res.end(`<html>${HOSTILE}`)],
    [
      'ends in the middle',
      () => (req, res) => {
        res.writeHead(200, { 'content-length': 99 }).write('{');
        setImmediate(() => req.socket.destroy());
      },
    ],
    ['closes the connection', () => (req) => req.socket.destroy()],
    ['speaks something else', () => (req) => void req.socket.end('SSH-2.0-OpenSSH_9.6\r\n')],
    ['refuses with 10 000 lines', () => json(500, { message: `${HOSTILE}\n`.repeat(10_000) })],
    ['refuses with a message that is none', () => json(403, { message: { toString: 1 } })],
    ['refuses with control characters', () => (_req, res) => void res.writeHead(500).end(HOSTILE)],
  ])('fails with the reason if a server %s', async (_what, hostile) => {
    taken = 0;
    answer = hostile();
    const { output, code } = await runCommand(...args());
    // The health check looks at nothing but the status.
    if (args()[0] === 'health' && code === 0) expect(output).toBe('');
    else expect([code, output]).toEqual([1, expect.stringMatching(/^fnfleet: |^http:/m)]);
    expect(output).not.toMatch(CONTROLS);
    expect(output).not.toMatch(/^\s+at |TypeError|undefined/m);
    expect(output.length).toBeLessThan(5_000);
    expect(seenElsewhere).toEqual([]);
    expect(taken).toBeLessThan(80 * MIB);
  });
});

it.each(Object.entries(COMMANDS))('fnfleet %s fails on JSON of another shape', async (name, args) => {
  if (name === 'health') return;
  for (const form of WRONG_FORMS) {
    answer = json(200, form);
    const { output, code } = await runCommand(...args());
    expect([code, output]).toEqual([1, expect.stringMatching(/^fnfleet: /m)]);
    expect(output).not.toMatch(/TypeError|undefined|Cannot read/);
  }
});

it('fnfleet status escapes control characters in names, and shows each runner on one line', async () => {
  const runner = { address: `r1:1\n${HOSTILE}`, state: HOSTILE, in_flight: 0, warm_functions: 0, name: HOSTILE };
  answer = json(200, { version: HOSTILE, runners: [runner], troubles: [`${HOSTILE}\nall is well`] });
  for (const args of [['status'], ['status', '--json'], ['top', '--once']]) {
    const { output } = await runCommand(...args, '--lb', url);
    expect(output).not.toMatch(CONTROLS);
    expect(output).toContain('\\u001b');
    expect(output).not.toMatch(/^all is well/m);
  }
});

it('fnfleet list and inspect escape control characters in names, and show each on one line', async () => {
  const app = {
    id: HOSTILE,
    name: `${HOSTILE}\nall is well`,
    updated_at: HOSTILE,
    config: { [HOSTILE]: `${HOSTILE}\n` },
  };
  answer = json(200, { items: [app] });
  for (const args of [
    ['list', 'apps'],
    ['list', 'apps', '--json'],
    ['inspect', 'app', 'a'],
    ['config', 'app', 'a'],
  ]) {
    const { output } = await runCommand(...args, '--api', url);
    expect(output).not.toMatch(CONTROLS);
    expect(output).toContain('\\u001b');
    expect(output).not.toMatch(/^all is well/m);
  }
});

it.each([
  ['the same page again and again', () => 'same', 2],
  ['another page each time', (page: number) => `${page}`, 1000],
])('gives up on a list with %s', async (_what, cursorOf, most) => {
  let pages = 0;
  answer = (request, response) => {
    pages += 1;
    json(200, { items: [{ id: `${pages}`, name: 'a' }], next_cursor: cursorOf(pages) })(request, response);
  };
  const { output, code } = await runCommand('list', 'apps', '--api', url);
  expect([code, output]).toEqual([1, expect.stringContaining('the list never ends')]);
  expect(pages).toBe(most);
});

it('gives up on a list of long pages', async () => {
  let pages = 0;
  const item = { id: 'x', name: 'a', annotations: { a: 'x'.repeat(16 * MIB) } };
  answer = (request, response) => {
    pages += 1;
    json(200, { items: [item], next_cursor: `${pages}` })(request, response);
  };
  const { output, code } = await runCommand('list', 'apps', '--api', url);
  expect([code, output]).toEqual([1, expect.stringContaining('the list never ends')]);
  expect(pages).toBe(8);
});

it.each([
  ['says nothing', () => undefined],
  ['sends a head and then nothing', (_req: IncomingMessage, res: ServerResponse) => void res.writeHead(200).write('{')],
])('gives up on a server that %s', async (_what, hostile) => {
  answer = hostile;
  await expect(readAnswer(plainFetch, url, { timeoutMs: 100 })).rejects.toThrow('no complete answer within 100 ms');
});

describe('the answer of a function', () => {
  function functionThatAnswers(status: number, body: string): void {
    answer = (request, response) => {
      if (request.url === '/invoke/f') return void response.writeHead(status, { 'fn-call-id': 'c\u009b1' }).end(body);
      const fn = { id: 'f', app_id: 'a', name: 'f', image: 'i' };
      const annotations = { 'fnproject.io/fn/invokeEndpoint': `${url}/invoke/f` };
      json(200, { items: [{ ...fn, annotations }] })(request, response);
    };
  }
  // Each run in this process leaves listeners at the one output of all.
  beforeAll(() => process.stdout.setMaxListeners(100));
  const invoked = async (...more: string[]) =>
    await runCommand('invoke', 'a', 'f', '--data', '', '--api', url, ...more);
  let isTTY: PropertyDescriptor | undefined;
  const onTerminal = (is: boolean) => Object.defineProperty(process.stdout, 'isTTY', { value: is, configurable: true });
  beforeEach(() => {
    isTTY = Object.getOwnPropertyDescriptor(process.stdout, 'isTTY');
  });
  afterEach(() => {
    if (isTTY) Object.defineProperty(process.stdout, 'isTTY', isTTY);
    else Reflect.deleteProperty(process.stdout, 'isTTY');
  });

  it.each`
    where                           | terminal | options      | how           | shown
    ${'in a pipe or a file'}        | ${false} | ${[]}        | ${'as it is'} | ${HOSTILE}
    ${'on a terminal'}              | ${true}  | ${[]}        | ${'escaped'}  | ${'bad\\u001b[2J\\u001b]0;owned\\u0007\\u009b\\u202e\\u000dall is well\n'}
    ${'on a terminal, with --raw,'} | ${true}  | ${['--raw']} | ${'as it is'} | ${`${HOSTILE}\n`}
  `('is shown $where $how', async ({ terminal, options, shown }) => {
    onTerminal(terminal);
    functionThatAnswers(200, HOSTILE);
    expect(await invoked(...options)).toMatchObject({ output: shown, code: 0 });
  });

  it.each`
    answer         | terminal | options      | shown
    ${'{"a":1}'}   | ${true}  | ${[]}        | ${'{"a":1}\n'}
    ${'{"a":1}'}   | ${true}  | ${['--raw']} | ${'{"a":1}\n'}
    ${'{"a":1}\n'} | ${true}  | ${[]}        | ${'{"a":1}\n'}
    ${''}          | ${true}  | ${[]}        | ${''}
    ${'{"a":1}'}   | ${false} | ${[]}        | ${'{"a":1}'}
  `(
    'ends the last line of $answer only on a terminal (terminal $terminal)',
    async ({ answer, terminal, options, shown }) => {
      onTerminal(terminal);
      functionThatAnswers(200, answer);
      expect(await invoked(...options)).toMatchObject({ output: shown, code: 0 });
    },
  );

  it('is shown the same way if it is an error, and so is the call id', async () => {
    onTerminal(true);
    functionThatAnswers(502, HOSTILE);
    const { output, code } = await invoked();
    expect(code).toBe(1);
    expect(output).not.toMatch(CONTROLS);
    expect(output).toContain('fnfleet: the call failed with status 502 (call c');
  });
});

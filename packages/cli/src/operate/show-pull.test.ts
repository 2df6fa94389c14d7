import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { MIB } from '@fnfleet/core';
import { plainFetch } from '../access/secure-fetch.js';
import { showPull } from './show-pull.js';

const IMAGE = 'registry/x:1';

let server: Server;
let answer: (request: IncomingMessage, response: ServerResponse) => void;
let asked: number;
let isTTY: PropertyDescriptor | undefined;

beforeEach(async () => {
  asked = 0;
  server = createServer((request, response) => {
    asked += 1;
    expect(request.url).toBe('/pulls');
    answer(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  isTTY = Object.getOwnPropertyDescriptor(process.stderr, 'isTTY');
});
afterEach(async () => {
  if (isTTY) Object.defineProperty(process.stderr, 'isTTY', isTTY);
  else Reflect.deleteProperty(process.stderr, 'isTTY');
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

/** What is written while a call is not answered for so many looks. */
async function shown({ terminal, looks }: { terminal: boolean; looks: number }): Promise<string> {
  Object.defineProperty(process.stderr, 'isTTY', { value: terminal, configurable: true });
  let text = '';
  const write = jest.spyOn(process.stderr, 'write').mockImplementation(((part: string) => {
    text += part;
    return true;
  }) as never);
  const answered = new AbortController();
  let slept = 0;
  const sleep = async () => {
    if (slept === looks) answered.abort();
    slept += 1;
  };
  try {
    const node = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await showPull(node, IMAGE, plainFetch, answered.signal, { sleep });
  } finally {
    write.mockRestore();
  }
  return text;
}

const json = (value: object) => (_request: IncomingMessage, response: ServerResponse) =>
  void response.end(JSON.stringify(value));
const pulled = (received: number, total: number, image = IMAGE) => ({
  pulls: [
    { image: 'another:1', received_bytes: 1, total_bytes: 2 },
    { image, received_bytes: received * MIB, total_bytes: total * MIB },
  ],
});

function inTurn(...answers: readonly object[]): void {
  answer = (request, response) => json(answers[Math.min(asked, answers.length) - 1] ?? {})(request, response);
}

const CLEAR = '\r\x1b[K';

it('in a pipe or a file: a new line for each change', async () => {
  inTurn(pulled(0, 0), pulled(12, 80), pulled(12, 80), pulled(70, 80), { pulls: [] });
  expect(await shown({ terminal: false, looks: 5 })).toBe(
    [
      'the image registry/x:1 is being pulled',
      'the image registry/x:1 is being pulled, 12 of 80 MB',
      'the image registry/x:1 is being pulled, 70 of 80 MB\n',
    ].join('\n'),
  );
});

it.each`
  columns | end
  ${0}    | ${'80 MB'}
  ${20}   | ${'the image registry/'}
`('does not wrap on a terminal of $columns columns', async ({ columns, end }) => {
  inTurn(pulled(12, 80));
  const own = Object.getOwnPropertyDescriptor(process.stderr, 'columns');
  Object.defineProperty(process.stderr, 'columns', { value: columns, configurable: true });
  try {
    expect(await shown({ terminal: true, looks: 1 })).toMatch(new RegExp(`${end}\r\x1b\\[K$`));
  } finally {
    if (own) Object.defineProperty(process.stderr, 'columns', own);
    else Reflect.deleteProperty(process.stderr, 'columns');
  }
});

it('on a terminal: one line, which is removed at the end', async () => {
  inTurn(pulled(12, 80), pulled(70, 80));
  const line = (mb: number) => `${CLEAR}the image registry/x:1 is being pulled, ${mb} of 80 MB`;
  expect(await shown({ terminal: true, looks: 3 })).toBe(`${line(12)}${line(70)}${CLEAR}`);
});

it.each`
  what                                       | said
  ${'nothing of it is pulled'}               | ${json({ pulls: [] })}
  ${'another image is'}                      | ${json(pulled(1, 2, 'other:2'))}
  ${'whoever asks may not'}                  | ${(_: IncomingMessage, res: ServerResponse) => void res.writeHead(401).end('{"message":"no"}')}
  ${'the balancer is of before'}             | ${(_: IncomingMessage, res: ServerResponse) => void res.writeHead(404).end('{"message":"no"}')}
  ${'it is no balancer'}                     | ${(_: IncomingMessage, res: ServerResponse) => void res.end('<html>')}
  ${'it answers with fields of other types'} | ${json({ pulls: [{ image: IMAGE, received_bytes: '1', total_bytes: {} }] })}
  ${'it breaks off'}                         | ${(req: IncomingMessage) => void req.socket.destroy()}
`('shows nothing if $what', async ({ said }) => {
  answer = said;
  expect([await shown({ terminal: false, looks: 2 }), await shown({ terminal: true, looks: 2 })]).toEqual(['', '']);
});

it('sends no request for a call that is answered at once', async () => {
  answer = json(pulled(1, 2));
  expect(await shown({ terminal: true, looks: 0 })).toBe('');
  expect(asked).toBe(0);
});

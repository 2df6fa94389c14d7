import { connect } from 'node:net';
import { HttpService } from './http-service.js';

let service: HttpService;

beforeAll(async () => {
  service = new HttpService({
    handler: ({ url, headers, rawHeaders }, res) => {
      const hosts = rawHeaders.flatMap((name, at) =>
        at % 2 === 0 && /^host$/i.test(name) ? [rawHeaders[at + 1]] : [],
      );
      res.setHeader('Connection', 'close').end(JSON.stringify([url, headers.host, ...hosts]));
    },
    host: '127.0.0.1',
    port: 0,
  });
  await service.ready;
});
afterAll(() => service.close());

/** The handler's view of a request with this first line. */
function seen(line: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const socket = connect(service.address.port, '127.0.0.1', () => socket.write(`${line}\r\nHost: other\r\n\r\n`));
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      text += chunk;
    });
    socket.once('error', reject).once('close', () => {
      const [head = '', body = ''] = text.split('\r\n\r\n');
      resolve(head.startsWith('HTTP/1.1 200 ') ? JSON.parse(body) : head.slice(9, 12));
    });
  });
}

it.each`
  target                       | url               | host
  ${'/t/app/x?y=1'}            | ${'/t/app/x?y=1'} | ${'other'}
  ${'http://lb/t/app/x?y=1'}   | ${'/t/app/x?y=1'} | ${'lb'}
  ${'HTTP://lb:8080/invoke/f'} | ${'/invoke/f'}    | ${'lb:8080'}
  ${'https://lb/'}             | ${'/'}            | ${'lb'}
  ${'http://lb'}               | ${'/'}            | ${'lb'}
  ${'http://lb?y=1'}           | ${'/?y=1'}        | ${'lb'}
  ${'http://[::1]:80/a//b'}    | ${'/a//b'}        | ${'[::1]:80'}
  ${'http://lb/t/http://x/'}   | ${'/t/http://x/'} | ${'lb'}
`('reads the target $target as $url of $host', async ({ target, url, host }) => {
  expect(await seen(`GET ${target} HTTP/1.1`)).toEqual([url, host, host]);
});

// What goes by the path, a gateway in front or a router behind, would find different ones in them.
it.each(['http://lb@evil/t', 'http://u:p@lb/t', 'http:///t', 'ftp://lb/t'])('the target %s is 400', async (target) => {
  expect(await seen(`GET ${target} HTTP/1.1`)).toBe('400');
  expect(await seen('GET /t HTTP/1.1')).toEqual(['/t', 'other', 'other']);
});

it('keeps the asterisk form of OPTIONS', async () => {
  expect(await seen('OPTIONS * HTTP/1.1')).toEqual(['*', 'other', 'other']);
});

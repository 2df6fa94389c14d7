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
      resolve(JSON.parse(text.slice(text.indexOf('\r\n\r\n'))));
    });
  });
}

it.each`
  target                       | url                   | host
  ${'/t/app/x?y=1'}            | ${'/t/app/x?y=1'}     | ${'other'}
  ${'http://lb/t/app/x?y=1'}   | ${'/t/app/x?y=1'}     | ${'lb'}
  ${'HTTP://lb:8080/invoke/f'} | ${'/invoke/f'}        | ${'lb:8080'}
  ${'https://lb/'}             | ${'/'}                | ${'lb'}
  ${'http://lb'}               | ${'/'}                | ${'lb'}
  ${'http://lb?y=1'}           | ${'/?y=1'}            | ${'lb'}
  ${'http://[::1]:80/a//b'}    | ${'/a//b'}            | ${'[::1]:80'}
  ${'http://lb/t/http://x/'}   | ${'/t/http://x/'}     | ${'lb'}
  ${'http://lb@evil/t'}        | ${'http://lb@evil/t'} | ${'other'}
  ${'http:///t'}               | ${'http:///t'}        | ${'other'}
  ${'ftp://lb/t'}              | ${'ftp://lb/t'}       | ${'other'}
`('the target $target is taken for $url of $host', async ({ target, url, host }) => {
  expect(await seen(`GET ${target} HTTP/1.1`)).toEqual([url, host, host]);
});

it('the star of OPTIONS stays one', async () => {
  expect(await seen('OPTIONS * HTTP/1.1')).toEqual(['*', 'other', 'other']);
});

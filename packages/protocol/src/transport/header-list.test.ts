import { HeaderList } from './header-list.js';

const REQUEST = [':method', 'POST', ':scheme', 'http', ':path', '/x'];
const list = (...fields: string[]) => new HeaderList(fields);

it('finds the first value of a name, or the only one', () => {
  const headers = list('a', '1', 'b', '2', 'a', '3', 'c', 'b');
  expect([headers.get('a'), headers.get('b'), headers.get('c'), headers.get('d')]).toEqual(['1', '2', 'b', undefined]);
  expect([headers.only('a'), headers.only('b'), headers.only('d')]).toEqual([undefined, '2', undefined]);
});

it('is an object for callers that do not know the names', () => {
  const headers = list('a', '1', 'b', '2', 'a', '3', '__proto__', 'x');
  expect(Object.entries(headers.asObject)).toEqual([
    ['a', '1, 3'],
    ['b', '2'],
    ['__proto__', 'x'],
  ]);
  expect(headers.asObject).toBe(headers.asObject);
});

describe('the head of a request', () => {
  it.each([
    ['as it must be', []],
    ['with an authority', [':authority', 'h']],
    ['with trailers announced', ['te', 'trailers']],
    ['with every letter that a name may have', ["!#$%&'*+-.^_`|~09az", '']],
    ['with a tab and letters beyond ASCII in a value', ['x', 'a\tb \x80\xff~']],
  ])('%s is valid', (_, fields) => {
    const pseudo = fields[0]?.startsWith(':') ? fields : [];
    const headers = list(...pseudo, ...REQUEST, ...(pseudo.length > 0 ? [] : fields));
    expect([headers.requestFault(), headers.requestFault()]).toEqual([undefined, undefined]);
  });

  it.each`
    what                                 | fields                                           | fault
    ${'without a method'}                | ${REQUEST.slice(2)}                              | ${'a request without a method, a scheme or a path'}
    ${'without a scheme'}                | ${[...REQUEST.slice(0, 2), ...REQUEST.slice(4)]} | ${'a request without a method, a scheme or a path'}
    ${'without a path'}                  | ${REQUEST.slice(0, 4)}                           | ${'a request without a method, a scheme or a path'}
    ${'with an empty path'}              | ${[...REQUEST.slice(0, 5), '']}                  | ${'a request without a method, a scheme or a path'}
    ${'with a status'}                   | ${[':status', '200', ...REQUEST]}                | ${'a pseudo-header out of place'}
    ${'with two methods'}                | ${[...REQUEST, ':method', 'GET']}                | ${'a pseudo-header out of place'}
    ${'with a pseudo-header at the end'} | ${[...REQUEST, 'a', '1', ':authority', 'h']}     | ${'a pseudo-header out of place'}
    ${'with capital letters in a name'}  | ${[...REQUEST, 'A', '1']}                        | ${'a name that is none'}
    ${'with an empty name'}              | ${[...REQUEST, '', '1']}                         | ${'a name that is none'}
    ${'with a space in a name'}          | ${[...REQUEST, 'a b', '1']}                      | ${'a name that is none'}
    ${'with a line feed'}                | ${[...REQUEST, 'a', 'x\r\ny']}                   | ${'a value with control characters'}
    ${'with a NUL'}                      | ${[...REQUEST, 'a', '\0']}                       | ${'a value with control characters'}
    ${'with a DEL'}                      | ${[...REQUEST, 'a', '\x7f']}                     | ${'a value with control characters'}
    ${'with connection'}                 | ${[...REQUEST, 'connection', 'close']}           | ${'connection in HTTP/2'}
    ${'with keep-alive'}                 | ${[...REQUEST, 'keep-alive', '1']}               | ${'keep-alive in HTTP/2'}
    ${'with proxy-connection'}           | ${[...REQUEST, 'proxy-connection', 'x']}         | ${'proxy-connection in HTTP/2'}
    ${'with transfer-encoding'}          | ${[...REQUEST, 'transfer-encoding', 'chunked']}  | ${'transfer-encoding in HTTP/2'}
    ${'with upgrade'}                    | ${[...REQUEST, 'upgrade', 'h2c']}                | ${'upgrade in HTTP/2'}
    ${'with http2-settings'}             | ${[...REQUEST, 'http2-settings', 'AA']}          | ${'http2-settings in HTTP/2'}
    ${'with te other than trailers'}     | ${[...REQUEST, 'te', 'gzip']}                    | ${'te in HTTP/2'}
  `('$what is rejected: $fault', ({ fields, fault }) => {
    const headers = list(...fields);
    expect([headers.requestFault(), headers.requestFault()]).toEqual([fault, fault]);
  });
});

it.each`
  what                 | fields                  | fault
  ${'with a status'}   | ${[':status', '200']}   | ${undefined}
  ${'as trailers'}     | ${['grpc-status', '0']} | ${undefined}
  ${'with a method'}   | ${[':method', 'GET']}   | ${'a pseudo-header out of place'}
  ${'with connection'} | ${['connection', 'x']}  | ${'connection in HTTP/2'}
`('the head of an answer $what: $fault', ({ fields, fault }) => {
  expect(list(...fields).responseFault()).toBe(fault);
});

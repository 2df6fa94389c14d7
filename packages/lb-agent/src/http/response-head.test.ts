import type { HeaderList } from '@fnfleet/core';
import { invokeHead, triggerHead } from './response-head.js';

describe('the head of a direct invoke has', () => {
  it('names in canonical form and unchanged values, repeated headers included', () => {
    expect(
      invokeHead(201, [
        ['x-one', '1'],
        ['FN-HTTP-STATUS', '404'],
        ['Set-Cookie', 'a'],
        ['set-cookie', 'b'],
      ]),
    ).toEqual({
      status: 201,
      headers: ['X-One', '1', 'Fn-Http-Status', '404', 'Set-Cookie', 'a', 'Set-Cookie', 'b'],
      contentLength: undefined,
    });
  });

  it.each<[string, HeaderList]>([
    ['of the connection', [['Connection', 'close']]],
    ['that change the framing', [['Transfer-Encoding', 'chunked']]],
    [
      'of the platform',
      [
        ['Fn-Call-Id', 'forged'],
        ['Fn-Explain', 'forged'],
      ],
    ],
  ])('none of the headers %s', (_, headers) => {
    expect(invokeHead(200, headers).headers).toEqual([]);
  });

  it('only the first value of a header that may appear once', () => {
    const twice: HeaderList = [
      ['Content-Type', 'a/a'],
      ['X', '1'],
      ['content-type', 'b/b'],
    ];
    expect(invokeHead(200, twice).headers).toEqual(['Content-Type', 'a/a', 'X', '1']);
  });

  it('non-ASCII characters as UTF-8', () => {
    const [, value = ''] = invokeHead(200, [['X-Name', 'Grüße']]).headers;
    expect(Buffer.from(value, 'latin1').toString()).toBe('Grüße');
  });
});

describe('the head of a trigger has', () => {
  it('the type, the length and the headers meant for the client', () => {
    expect(
      triggerHead(200, [
        ['content-type', 'text/plain'],
        ['Content-Length', '5'],
        ['fn-http-h-x-mine', 'yes'],
        ['Fn-Http-H-Fn-Call-Id', 'forged'],
        ['Fn-Http-H-', 'nameless'],
        ['X-Internal', 'no'],
      ]),
    ).toEqual({ status: 200, headers: ['Content-Type', 'text/plain', 'X-Mine', 'yes'], contentLength: 5 });
  });

  it.each<[string, HeaderList, string[]]>([
    [
      'marked after unmarked',
      [
        ['Content-Type', 'fdk/x'],
        ['Fn-Http-H-Content-Type', 'mine/x'],
      ],
      ['Content-Type', 'mine/x'],
    ],
    [
      'marked before unmarked',
      [
        ['fn-http-h-content-type', 'mine/x'],
        ['Content-Type', 'fdk/x'],
      ],
      ['Content-Type', 'mine/x'],
    ],
    [
      'marked twice',
      [
        ['Fn-Http-H-Location', '/a'],
        ['Fn-Http-H-Location', '/b'],
      ],
      ['Location', '/a'],
    ],
    [
      'unmarked twice',
      [
        ['Content-Type', 'a/a'],
        ['Content-Type', 'b/b'],
      ],
      ['Content-Type', 'a/a'],
    ],
  ])('one value of a header that may appear once: %s', (_, headers, shown) => {
    expect(triggerHead(200, headers).headers).toEqual(shown);
  });

  it.each<[string, HeaderList]>([
    [
      'before',
      [
        ['Fn-Http-H-Content-Length', '9'],
        ['Content-Length', '0'],
      ],
    ],
    [
      'after',
      [
        ['Content-Length', '0'],
        ['Fn-Http-H-Content-Length', '9'],
      ],
    ],
  ])('the marked length of the function, even if it comes %s the unmarked one', (_, headers) => {
    expect(triggerHead(200, headers).contentLength).toBe(9);
  });

  it.each`
    runner | said              | status
    ${200} | ${[]}             | ${200}
    ${200} | ${['404']}        | ${404}
    ${200} | ${['201', '404']} | ${201}
    ${399} | ${['404']}        | ${404}
    ${400} | ${['200']}        | ${400}
    ${502} | ${['200']}        | ${502}
    ${200} | ${['hello']}      | ${200}
    ${200} | ${['199']}        | ${200}
    ${200} | ${['1000']}       | ${200}
    ${200} | ${['999']}        | ${999}
    ${200} | ${['200.5']}      | ${200}
    ${202} | ${['']}           | ${200}
  `('status $status if the runner reports $runner and the function sets $said', ({ runner, said, status }) => {
    const headers = (said as string[]).map((value): [string, string] => ['Fn-Http-Status', value]);
    expect(triggerHead(runner, headers).status).toBe(status);
  });
});

it.each([0, 42, 100, 101, 199, 1000, 200.5, Number.NaN])('%p is not a valid response status', (status) => {
  expect(() => invokeHead(status, [])).toThrow('invalid function response');
});

it.each([200, 999])('%i is a valid response status', (status) => {
  expect(invokeHead(status, []).status).toBe(status);
});

it.each<[string, [string, string]]>([
  ['a space in its name', ['X Name', '1']],
  ['a line break in its value', ['X-Name', 'a\r\nX-Other: b']],
  ['an empty name', ['', '1']],
])('a header with %s is invalid, and the function is to blame', (_, header) => {
  expect(() => invokeHead(200, [header])).toThrow('invalid function response');
});

it.each`
  text      | length
  ${'0'}    | ${0}
  ${'12'}   | ${12}
  ${'-1'}   | ${undefined}
  ${'1x'}   | ${undefined}
  ${'x1'}   | ${undefined}
  ${''}     | ${undefined}
  ${'1, 1'} | ${undefined}
`('an announced length of "$text" is read as $length', ({ text, length }) => {
  expect(invokeHead(200, [['content-length', text]])).toEqual({ status: 200, headers: [], contentLength: length });
});

import type { HeaderList } from '@fnfleet/core';
import { invokeHead, triggerHead } from './response-head.js';

describe('a direct invoke shows what the function sent', () => {
  it('names in their usual form, values as they are, each as often as it came', () => {
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
    ['that would make a stream of it', [['Transfer-Encoding', 'chunked']]],
    [
      'of ours',
      [
        ['Fn-Call-Id', 'forged'],
        ['Fn-Explain', 'forged'],
      ],
    ],
  ])('without headers %s', (_, headers) => {
    expect(invokeHead(200, headers).headers).toEqual([]);
  });

  it('a header of one value once, the first', () => {
    const twice: HeaderList = [
      ['Content-Type', 'a/a'],
      ['X', '1'],
      ['content-type', 'b/b'],
    ];
    expect(invokeHead(200, twice).headers).toEqual(['Content-Type', 'a/a', 'X', '1']);
  });

  it('letters beyond ASCII travel as UTF-8', () => {
    const [, value = ''] = invokeHead(200, [['X-Name', 'Grüße']]).headers;
    expect(Buffer.from(value, 'latin1').toString()).toBe('Grüße');
  });
});

describe('a trigger shows what the function said to show', () => {
  it('its type, its length, and what is marked for the client', () => {
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
  ])('a header of one value once: %s', (_, headers, shown) => {
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
  ])('the length that a function marked, be it %s its own', (_, headers) => {
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
  `('$runner of the runner and $said of the function are $status', ({ runner, said, status }) => {
    const headers = (said as string[]).map((value): [string, string] => ['Fn-Http-Status', value]);
    expect(triggerHead(runner, headers).status).toBe(status);
  });
});

it.each([0, 42, 100, 101, 199, 1000, 200.5, Number.NaN])('%p is no status of an answer', (status) => {
  expect(() => invokeHead(status, [])).toThrow('invalid function response');
});

it.each([200, 999])('%i is one', (status) => {
  expect(invokeHead(status, []).status).toBe(status);
});

it.each<[string, [string, string]]>([
  ['a name with a blank', ['X Name', '1']],
  ['a value with an end of a line', ['X-Name', 'a\r\nX-Other: b']],
  ['no name', ['', '1']],
])('%s cannot travel, so the function is to blame', (_, header) => {
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
`('an announced length of "$text" is $length', ({ text, length }) => {
  expect(invokeHead(200, [['content-length', text]])).toEqual({ status: 200, headers: [], contentLength: length });
});

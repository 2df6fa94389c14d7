import { decodeTimeout, encodeMessage, encodeTimeout, grpcStatusOf, statusOfHttp } from './grpc-status.js';
import { HeaderList } from './header-list.js';

describe('the status of a stream', () => {
  it.each`
    fields                                                 | status
    ${[]}                                                  | ${undefined}
    ${['grpc-message', 'x']}                               | ${undefined}
    ${['grpc-status', '0']}                                | ${{ code: 0, details: '' }}
    ${['grpc-status', '0', 'grpc-message', 'ignored']}     | ${{ code: 0, details: '' }}
    ${['grpc-status', '14']}                               | ${{ code: 14, details: '' }}
    ${['grpc-message', 'too%20busy', 'grpc-status', '14']} | ${{ code: 14, details: 'too busy' }}
    ${['grpc-status', '2', 'grpc-message', 'gr%C3%BCn']}   | ${{ code: 2, details: 'grün' }}
    ${['grpc-status', '2', 'grpc-message', '100%']}        | ${{ code: 2, details: '100%' }}
  `('of $fields is $status', ({ fields, status }) => {
    expect(grpcStatusOf(new HeaderList(fields))).toEqual(status);
  });

  it.each`
    http   | code
    ${404} | ${12}
    ${429} | ${14}
    ${502} | ${14}
    ${503} | ${14}
    ${504} | ${14}
    ${400} | ${2}
    ${401} | ${2}
    ${500} | ${2}
    ${505} | ${2}
  `('of an HTTP $http without one is $code', ({ http, code }) => {
    const details = `HTTP status ${http} where a gRPC answer was expected`;
    expect(statusOfHttp(http)).toEqual({ code, details });
  });
});

describe('grpc-timeout', () => {
  it.each`
    ms              | text
    ${0}            | ${'0m'}
    ${-5}           | ${'0m'}
    ${0.2}          | ${'1m'}
    ${1500}         | ${'1500m'}
    ${99_999_999}   | ${'99999999m'}
    ${99_999_999.5} | ${'100000S'}
    ${100_000_001}  | ${'100001S'}
    ${1e15}         | ${'99999999S'}
  `('of $ms ms is $text', ({ ms, text }) => {
    expect(encodeTimeout(ms)).toBe(text);
  });

  it.each`
    text            | ms
    ${'1m'}         | ${1}
    ${'2S'}         | ${2_000}
    ${'3M'}         | ${180_000}
    ${'1H'}         | ${3_600_000}
    ${'5000u'}      | ${5}
    ${'5000000n'}   | ${5}
    ${'99999999m'}  | ${99_999_999}
    ${'100000000m'} | ${undefined}
    ${'m'}          | ${undefined}
    ${'1'}          | ${undefined}
    ${'1s'}         | ${undefined}
    ${'-1m'}        | ${undefined}
    ${' 1m'}        | ${undefined}
    ${'1m '}        | ${undefined}
    ${''}           | ${undefined}
    ${undefined}    | ${undefined}
  `('$text is $ms ms', ({ text, ms }) => {
    if (ms === undefined) expect(decodeTimeout(text)).toBeUndefined();
    else expect(decodeTimeout(text)).toBeCloseTo(ms);
  });
});

describe('grpc-message', () => {
  it('leaves printable characters as they are, except the percent sign', () => {
    const printable = Array.from({ length: 95 }, (_, i) => String.fromCharCode(0x20 + i)).join('');
    expect(encodeMessage(printable)).toBe(printable.replace('%', '%25'));
  });

  it('encodes everything else as UTF-8, and decodes it again', () => {
    const text = 'ü\n\t\u007f€😀 100%';
    const encoded = encodeMessage(text);
    expect(encoded).toBe('%C3%BC%0A%09%7F%E2%82%AC%F0%9F%98%80 100%25');
    expect(grpcStatusOf(new HeaderList(['grpc-status', '2', 'grpc-message', encoded]))?.details).toBe(text);
  });

  it('is cut, and a split character does not break it', () => {
    expect(encodeMessage('x'.repeat(1025))).toBe('x'.repeat(1024));
    expect(encodeMessage(`${'x'.repeat(1023)}😀`)).toBe(`${'x'.repeat(1023)}%EF%BF%BD`);
  });
});

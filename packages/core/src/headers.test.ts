import { canonicalHeader, headersFromRaw, headerToText, isHopByHop, textToHeader } from './headers.js';

describe('headers', () => {
  it.each([
    ['content-type', 'Content-Type'],
    ['FN-HTTP-H-X-A', 'Fn-Http-H-X-A'],
    ['x_forwarded', 'X_forwarded'],
    ['a b', 'a b'],
    ['étage', 'étage'],
    ['', ''],
  ])('%j becomes %j', (name, canonical) => {
    expect(canonicalHeader(name)).toBe(canonical);
    expect(canonicalHeader(name)).toBe(canonical);
  });

  it('keep all their values in order', () => {
    expect(headersFromRaw(['Set-Cookie', 'a', 'x-one', '1', 'set-cookie', 'b'])).toEqual({
      'Set-Cookie': ['a', 'b'],
      'X-One': ['1'],
    });
  });

  it('of a call do not repeat what its URL and its framing say', () => {
    expect(headersFromRaw(['host', 'h', 'Transfer-Encoding', 'chunked', 'X', '1'])).toEqual({ X: ['1'] });
  });

  it('are UTF-8 text, of which Node shows the bytes', () => {
    const wire = Buffer.from('Zoë ✓').toString('latin1');
    expect(headersFromRaw(['X-Name', wire, 'X-Plain', 'a'])).toEqual({ 'X-Name': ['Zoë ✓'], 'X-Plain': ['a'] });
    expect(textToHeader(headerToText(wire))).toBe(wire);
  });

  it('accept a name with a meaning in JavaScript', () => {
    expect(headersFromRaw(['constructor', 'a'])).toEqual({ Constructor: ['a'] });
  });

  it('http-api 94: of one connection are not forwarded', () => {
    for (const name of ['Connection', 'Keep-Alive', 'Upgrade', 'Trailer', 'Transfer-Encoding', 'Proxy-Authorization']) {
      expect(isHopByHop(name, 'x')).toBe(true);
    }
    expect(isHopByHop('Te', 'gzip')).toBe(true);
    expect(isHopByHop('Te', 'trailers')).toBe(false);
    expect(isHopByHop('Authorization', 'x')).toBe(false);
  });
});

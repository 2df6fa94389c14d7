import { canonicalHeader, headersFromRaw, isHopByHop } from './headers.js';

describe('headers', () => {
  it.each([
    ['content-type', 'Content-Type'],
    ['FN-HTTP-H-X-A', 'Fn-Http-H-X-A'],
    ['x_forwarded', 'X_forwarded'],
    ['a b', 'a b'],
    ['étage', 'étage'],
    ['', ''],
  ])('%j is written %j', (name, canonical) => {
    expect(canonicalHeader(name)).toBe(canonical);
    expect(canonicalHeader(name)).toBe(canonical);
  });

  it('keep all their values in order', () => {
    expect(headersFromRaw(['Set-Cookie', 'a', 'x-one', '1', 'set-cookie', 'b'])).toEqual({
      'Set-Cookie': ['a', 'b'],
      'X-One': ['1'],
    });
  });

  it('take a name that JavaScript gives a meaning to', () => {
    expect(headersFromRaw(['constructor', 'a'])).toEqual({ Constructor: ['a'] });
  });

  it('http-api 94: of one connection go no further', () => {
    for (const name of ['Connection', 'Keep-Alive', 'Upgrade', 'Trailer', 'Transfer-Encoding', 'Proxy-Authorization']) {
      expect(isHopByHop(name, 'x')).toBe(true);
    }
    expect(isHopByHop('Te', 'gzip')).toBe(true);
    expect(isHopByHop('Te', 'trailers')).toBe(false);
    expect(isHopByHop('Authorization', 'x')).toBe(false);
  });
});

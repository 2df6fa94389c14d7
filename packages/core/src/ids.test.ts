import { isIPv4 } from 'node:net';
import { encodeId, IdGenerator, localIpv4 } from './ids.js';

describe('ids', () => {
  it('http-api 110: are those of the original', () => {
    expect(encodeId(1548331200123, '10.1.2.3', 8080, 1)).toBe('01D1ZVPBKV180G40RZJ0000001');
    expect(encodeId(1570978485459, '172.17.0.2', 8080, 55)).toBe('01DQ2STN6KNG8G00GZJ000001Q');
  });

  it('http-api 110: made one after the other sort in that order, also within a millisecond', () => {
    const ids = new IdGenerator({ ipv4: '10.1.2.3', port: 8080 });
    const made = [1548331200123, 1548331200123, 1548331200123, 1548331200124].map((ms) => ids.next(ms));
    expect(made).toEqual([...made].sort());
    expect(new Set(made).size).toBe(4);
  });

  it('of a generator carry time, machine and counter', () => {
    const ids = new IdGenerator({ ipv4: '255.254.253.252', port: 65_535 });
    for (let counter = 1; counter <= 100; counter += 1) {
      const ms = 1548331200000 + counter;
      expect(ids.next(ms)).toBe(encodeId(ms, '255.254.253.252', 65_535, counter));
    }
  });

  it('of processes that begin in the same millisecond differ, though none says which it is', () => {
    const made = Array.from({ length: 1000 }, () => new IdGenerator().next(1548331200123));
    expect(new Set(made).size).toBe(1000);
  });

  it('find the address of this machine', () => {
    expect(isIPv4(localIpv4())).toBe(true);
  });
});

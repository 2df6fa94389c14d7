import { wallMs } from './clock.js';
import { encodeId, IdGenerator } from './ids.js';

describe('ids', () => {
  it('http-api 110: are the same as those of Fn', () => {
    expect(encodeId(1548331200123, '10.1.2.3', 8080, 1)).toBe('01D1ZVPBKV180G40RZJ0000001');
    expect(encodeId(1570978485459, '172.17.0.2', 8080, 55)).toBe('01DQ2STN6KNG8G00GZJ000001Q');
  });

  it('http-api 110: sort in the order of their creation, also within a millisecond', () => {
    const ids = new IdGenerator();
    const made = [1548331200123, 1548331200123, 1548331200123, 1548331200124].map((ms) => ids.next(wallMs(ms)));
    expect(made).toEqual([...made].sort());
    expect(new Set(made).size).toBe(4);
  });

  it('contain time, machine and counter', () => {
    const ids = new IdGenerator(Buffer.from([255, 254, 253, 252, 0xff, 0xff]).readUIntBE(0, 6));
    for (let counter = 1; counter <= 100; counter += 1) {
      const ms = 1548331200000 + counter;
      expect(ids.next(wallMs(ms))).toBe(encodeId(ms, '255.254.253.252', 65_535, counter));
    }
  });

  it('of processes that start in the same millisecond differ, whatever their addresses and ports are', () => {
    const made = Array.from({ length: 1000 }, () => new IdGenerator().next(wallMs(1548331200123)));
    expect(new Set(made).size).toBe(1000);
    for (const id of made) expect(id).toMatch(/^[0-9A-HJKMNP-TV-Z]{26}$/);
  });
});

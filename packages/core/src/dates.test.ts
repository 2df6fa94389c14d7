import { wallMs } from './clock.js';
import { formatDate, formatDateSeconds, parseDate, ZERO_DATE } from './dates.js';

const NOON = Date.UTC(2019, 0, 24, 12);

describe('dates', () => {
  it('http-api 111: have exactly three fraction digits', () => {
    expect(formatDate(wallMs(NOON))).toBe('2019-01-24T12:00:00.000Z');
    expect(formatDate(wallMs(NOON + 7))).toBe('2019-01-24T12:00:00.007Z');
    expect(formatDate(undefined)).toBe(ZERO_DATE);
  });

  it.each([NOON - 1, NOON, NOON + 999, NOON + 1000, NOON + 0.7, 0, -1, -62135596800000, 253402300799999])(
    '%d ms are the date that Date says, whatever was formatted before',
    (ms) => {
      expect(formatDate(wallMs(ms))).toBe(new Date(Math.floor(ms)).toISOString());
    },
  );

  it('of different seconds in turn are each their own', () => {
    for (const second of [0, 5, 0, 5, 9, 0, 0, 9, 5]) {
      expect(formatDate(wallMs(NOON + 1000 * second + 1))).toBe(`2019-01-24T12:00:0${second}.001Z`);
    }
  });

  it('to whole seconds are truncated', () => {
    expect(formatDateSeconds(wallMs(NOON + 999))).toBe('2019-01-24T12:00:00Z');
  });

  it.each([
    ['2019-01-24T12:00:00Z', NOON],
    ['2019-01-24T12:00:00.5Z', NOON + 500],
    ['2019-01-24T12:00:00.123456789Z', NOON + 123],
    ['2019-01-24T14:00:00.000+02:00', NOON],
    ['2019-01-24t06:30:00-05:30', NOON],
    ['', 0],
    [ZERO_DATE, undefined],
    ['0001-01-01T00:00:00Z', undefined],
  ])('protocol 103: %j is accepted', (text, ms) => {
    expect(parseDate(text)).toBe(ms);
  });

  it.each(['yesterday', '2019-01-24', '2019-01-24 12:00:00Z', '2019-01-24T12:00:00', '2019-13-24T12:00:00Z', '0'])(
    'protocol 103: %j is rejected',
    (text) => {
      expect(() => parseDate(text)).toThrow(RangeError);
    },
  );
});

import { formatCpus, parseCpus, parseDuration } from './units.js';

describe('CPU shares', () => {
  it.each([
    ['', 0],
    ['100m', 100],
    ['0.1', 100],
    ['0.5', 500],
    ['.25', 250],
    ['2.', 2000],
    ['1024', 1_024_000],
    ['1024000m', 1_024_000],
    ['0.0019', 1],
    ['1024001m', undefined],
    ['1025', undefined],
    ['-1', undefined],
    ['1.5m', undefined],
    ['m', undefined],
    ['1e3', undefined],
    ['one', undefined],
  ])('%j is %p thousandths', (text, millis) => {
    expect(parseCpus(text)).toBe(millis);
  });

  it('are written in thousandths, and omitted when unlimited', () => {
    expect(formatCpus(1500)).toBe('1500m');
    expect(formatCpus(0)).toBe('');
  });
});

describe('durations', () => {
  it.each([
    ['5', 5000],
    ['2m5s', 125_000],
    ['1.5h', 5_400_000],
    ['250ms', 250],
    ['1h1ms', 3_600_001],
    ['0', 0],
    ['500us', 0.5],
    ['-5', undefined],
    ['5 s', undefined],
    ['5d', undefined],
    ['s', undefined],
    ['', undefined],
  ])('%j is %p ms', (text, ms) => {
    expect(parseDuration(text)).toBe(ms);
  });
});

import { wallMs } from '@fnfleet/core';
import { formatJson, formatRaw, formatText } from './format-line.js';

const line = {
  at: wallMs(Date.UTC(2026, 10, 24, 12, 31, 19, 123)),
  runner: '127.0.0.1:9190',
  source: 'stderr',
  text: Buffer.from('out of "cheese"'),
  callId: '01M86HET3SR00040G000000001',
  fnId: 'fn',
  appId: 'app',
  containerId: 'box',
} as const;

it('is short as text', () => {
  expect(formatText(line)).toBe('2026-11-24T12:31:19.123Z 127.0.0.1:9190 00000001 err out of "cheese"');
  expect(formatText({ ...line, callId: '', source: 'stdout' })).toMatch(/:9190 {8}- out /);
});

it('is complete as JSON', () => {
  expect(JSON.parse(formatJson(line))).toEqual({
    time: '2026-11-24T12:31:19.123Z',
    runner: '127.0.0.1:9190',
    app_id: 'app',
    fn_id: 'fn',
    call_id: '01M86HET3SR00040G000000001',
    container_id: 'box',
    source: 'stderr',
    line: 'out of "cheese"',
  });
});

describe('output of a function that attacks a terminal', () => {
  const hostile = Buffer.from('\x1b[2J\x1b]0;owned\x07\u009b\u202e\rall is well\n2026 forged');
  const printed = { ...line, text: hostile, callId: 'call\x1b[8m', runner: 'r\n1:9190' };

  it('is shown escaped, on one line', () => {
    expect(formatText(printed)).toBe(
      '2026-11-24T12:31:19.123Z r\\u000a1:9190 call\\u001b[8m err ' +
        '\\u001b[2J\\u001b]0;owned\\u0007\\u009b\\u202e\\u000dall is well\\u000a2026 forged',
    );
  });

  it('is complete in JSON, without control characters', () => {
    const json = formatJson(printed);
    expect(json).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/v);
    expect(JSON.parse(json).line).toBe(String(hostile));
  });

  it('is passed on byte for byte with --raw', () => {
    const bytes = Buffer.from([0x1b, 0x5b, 0xff, 0xfe]);
    const raw = formatRaw({ ...printed, text: bytes });
    expect(raw.subarray(-4)).toEqual(bytes);
    expect(String(raw.subarray(0, -4))).toBe('2026-11-24T12:31:19.123Z r\\u000a1:9190 call\\u001b[8m err ');
  });
});

it.each([Number.NaN, 2 ** 63, -1e300])('shows the invalid time %p of a runner as a number', (number) => {
  const at = wallMs(number);
  expect(formatText({ ...line, at })).toMatch(` 127.0.0.1:9190 `);
  expect(JSON.parse(formatJson({ ...line, at })).time).toBe(`${number}`);
});

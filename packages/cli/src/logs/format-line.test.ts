import { wallMs } from '@fnfleet/core';
import { formatJson, formatText } from './format-line.js';

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

it('is short for a person', () => {
  expect(formatText(line)).toBe('2026-11-24T12:31:19.123Z 127.0.0.1:9190 00000001 err out of "cheese"');
  expect(formatText({ ...line, callId: '', source: 'stdout' })).toMatch(/:9190 {8}- out /);
});

it('is complete for a program', () => {
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

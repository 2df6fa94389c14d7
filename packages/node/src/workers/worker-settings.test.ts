import { readSettings } from '@fnfleet/core';
import { httpSettings } from '@fnfleet/http';
import { lbSettings } from '@fnfleet/lb-agent';
import { shareOf } from './worker-settings.js';

const settings = readSettings(
  { ...httpSettings, ...lbSettings },
  { FN_RUNNER_API_URL: 'http://api', FN_RUNNER_ADDRESSES: 'r:9190' },
);

it.each([
  'maxConnections',
  'queueMaxCalls',
  'queueMaxBytes',
  'replayMemoryBytes',
  'replayDiskBytes',
  'explainCalls',
] as const)('all workers together stay within %s of one balancer', (limit) => {
  expect(shareOf(settings, 4, '2')[limit]).toBe(Math.ceil(settings[limit] / 4));
});

it('a balancer with one process gets the whole limit', () => {
  expect(shareOf(settings, 1, '1')).toBe(settings);
  expect(shareOf(settings, 4, undefined)).toBe(settings);
});

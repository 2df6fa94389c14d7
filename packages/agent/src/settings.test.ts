import { readSettings } from '@fnfleet/core';
import { agentSettings } from './settings.js';

describe('settings of the agent', () => {
  it('have the defaults of the original', () => {
    expect(readSettings(agentSettings, {})).toMatchObject({
      hotPullTimeoutMs: 600_000,
      hotStartTimeoutMs: 5_000,
      maxResponseBytes: 0,
      maxResponseHeaderBytes: 0,
      maxTotalMemoryBytes: 0,
      maxTotalCpuMillis: 0,
      nonBlocking: false,
    });
  });

  it('agent-and-docker 84: an empty variable is unset, and a negative time is none at all', () => {
    const env = { FN_MAX_RESPONSE_SIZE: '', FN_ENABLE_NB_RESOURCE_TRACKER: 'T', FN_HOT_START_TIMEOUT_MSECS: '-1' };
    expect(readSettings(agentSettings, env)).toMatchObject({
      maxResponseBytes: 0,
      nonBlocking: true,
      hotStartTimeoutMs: Number.POSITIVE_INFINITY,
    });
  });

  it('agent-and-docker 84: what cannot be read stops the start, with the name and what was expected', () => {
    const env = { FN_MAX_RESPONSE_SIZE: '1k', FN_ENABLE_NB_RESOURCE_TRACKER: 'yes' };
    expect(() => readSettings(agentSettings, env)).toThrow(/FN_MAX_RESPONSE_SIZE[\s\S]*FN_ENABLE_NB_RESOURCE_TRACKER/);
  });
});

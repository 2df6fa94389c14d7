import { readSettings } from '@fnfleet/core';
import { agentSettings } from './settings.js';

describe('settings of the agent', () => {
  it('have the defaults of Fn', () => {
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

  it('agent-and-docker 84: an empty variable counts as unset, and a negative duration as no limit', () => {
    const env = { FN_MAX_RESPONSE_SIZE: '', FN_ENABLE_NB_RESOURCE_TRACKER: 'T', FN_HOT_START_TIMEOUT_MSECS: '-1' };
    expect(readSettings(agentSettings, env)).toMatchObject({
      maxResponseBytes: 0,
      nonBlocking: true,
      hotStartTimeoutMs: Number.POSITIVE_INFINITY,
    });
  });

  it('agent-and-docker 84: an invalid value prevents the start, with the name and the expected format', () => {
    const env = { FN_MAX_RESPONSE_SIZE: '1k', FN_ENABLE_NB_RESOURCE_TRACKER: 'yes' };
    expect(() => readSettings(agentSettings, env)).toThrow(/FN_MAX_RESPONSE_SIZE[\s\S]*FN_ENABLE_NB_RESOURCE_TRACKER/);
  });
});

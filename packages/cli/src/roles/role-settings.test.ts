import { agentSettings } from '@fnfleet/agent';
import { apiSettings } from '@fnfleet/api';
import { commonSettings } from '@fnfleet/core';
import { httpSettings } from '@fnfleet/http';
import { lbSettings } from '@fnfleet/lb-agent';
import { placementSettings, registrationSettings } from '@fnfleet/placement';
import { pureRunnerSettings } from '@fnfleet/pure-runner';
import { driverSettings } from './drivers.js';
import { ROLES } from './index.js';

const PARTS = {
  api: [commonSettings, apiSettings],
  lb: [commonSettings, lbSettings, httpSettings, placementSettings],
  'pure-runner': [
    commonSettings,
    httpSettings,
    pureRunnerSettings,
    agentSettings,
    driverSettings,
    registrationSettings,
  ],
  full: [commonSettings, apiSettings, agentSettings, driverSettings],
};

// Settings of two packages under one name: the second would be taken for the first.
it.each(Object.entries(PARTS))('a node of the role %s has every setting of its parts', (role, parts) => {
  const known = new Set(Object.values(ROLES[role as keyof typeof ROLES].settings).map(({ name }) => name));
  const declared = parts.flatMap((part) => Object.values(part).map(({ name }) => name));
  expect(declared.filter((name) => !known.has(name))).toEqual([]);
});

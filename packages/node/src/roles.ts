import { agentSettings } from '@fnfleet/agent';
import { apiSettings } from '@fnfleet/api';
import type { SettingsSection } from '@fnfleet/core';
import { registrationSettings } from '@fnfleet/discovery';
import { httpSettings } from '@fnfleet/http';
import { lbSettings } from '@fnfleet/lb-agent';
import { pureRunnerSettings } from '@fnfleet/pure-runner';
import { apiRole } from './api.js';
import { commonSettings, type NodeType } from './common-settings.js';
import { driverSettings } from './drivers.js';
import { fullRole } from './full.js';
import { lbRole } from './lb.js';
import { pureRunnerRole } from './pure-runner.js';
import type { Role } from './role.js';
import { telemetrySettings } from './telemetry/telemetry-settings.js';
import { workerSettings } from './workers/worker-settings.js';

/** The roles that `FN_NODE_TYPE` selects. */
export const ROLES: Readonly<Record<NodeType, Role>> = {
  full: fullRole,
  api: apiRole,
  lb: lbRole,
  'pure-runner': pureRunnerRole,
};

/** Every setting, for `--help` and `docs/configuration.md`; each is listed in the first section that has it. */
export const SETTINGS_SECTIONS: readonly SettingsSection[] = withoutRepeats([
  { title: 'Every role', intro: 'Settings of every process.', shape: commonSettings },
  {
    title: 'Traces and metrics',
    intro: 'Settings of any role, with the standard names of OpenTelemetry.',
    shape: telemetrySettings,
  },
  { title: 'HTTP port', intro: 'The HTTP port of any role.', shape: httpSettings },
  { title: 'API node', intro: '`FN_NODE_TYPE=api` and `full`', shape: apiSettings },
  {
    title: 'Load balancer',
    intro: '`FN_NODE_TYPE=lb`. A `full` node reads the settings that are not about placing calls.',
    shape: { ...lbSettings, ...workerSettings },
  },
  { title: 'Runner', intro: '`FN_NODE_TYPE=pure-runner`', shape: { ...pureRunnerSettings, ...registrationSettings } },
  { title: 'Agent', intro: 'How a runner, or a `full` node, executes calls.', shape: agentSettings },
  { title: 'Drivers', intro: 'How a runner, or a `full` node, creates containers.', shape: driverSettings },
]);

function withoutRepeats(sections: readonly SettingsSection[]): SettingsSection[] {
  const seen = new Set<string>();
  return sections.map(({ shape, ...section }) => {
    const fresh = Object.entries(shape).filter(([, { name }]) => !seen.has(name) && seen.add(name));
    return { ...section, shape: Object.fromEntries(fresh) };
  });
}

export { meaninglessSettings } from './check-settings.js';
export { driverSettings, startDriver } from './drivers.js';
export { FullNode } from './full/full-node.js';

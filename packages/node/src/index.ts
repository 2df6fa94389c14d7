// What a process needs before it starts a role. Roles are loaded on demand; `@fnfleet/node/roles` has all of them.
export { commonSettings, NODE_TYPES, type NodeType } from './common-settings.js';
export { isFailedMessage, isReadyMessage, stopSignal, tellParent } from './process-control.js';
export type { Role, RoleDeps, RunningRole } from './role.js';
export { type RoleSecurity, roleSecurity } from './role-security.js';
export { startNode } from './start-node.js';
export { formerSettings, nearestName, unknownSettings } from './unknown-settings.js';

// What a process needs before it starts a role. Roles are loaded on demand; `@fnfleet/node/roles` has all of them.
export { commonSettings, NODE_TYPES, type NodeType } from './common-settings.js';
export { nearestName } from './nearest-name.js';
export { isFailedMessage, isReadyMessage, tellParent } from './parent-messages.js';
export type { Role, RoleDeps, RunningRole } from './role.js';
export { type RoleSecurity, roleSecurity } from './role-security.js';
export { startNode } from './start-node.js';
export { stopSignal } from './stop-signal.js';
export { formerSettings, unknownSettings } from './unknown-settings.js';

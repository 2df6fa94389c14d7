export { type FleetAccess, fleetAccess } from './access/fleet-access.js';
export type { Fetch, FetchOptions } from './access/secure-fetch.js';
export { ApiClient, type AppRef, type FnRef, type FnSpec } from './api-client.js';
export { COMMANDS, newProgram } from './commands/all.js';
export { deployFunction, invokeUrl } from './deploy/deploy.js';
export { LocalFleet, type LocalFleetOptions } from './fleet/local-fleet.js';
export { commonSettings } from './roles/common-settings.js';
export { ROLES, SETTINGS_SECTIONS } from './roles/index.js';
export type { Role } from './roles/role.js';

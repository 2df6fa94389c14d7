export type { Role } from '@fnfleet/node';
export { commonSettings } from '@fnfleet/node';
export { ROLES, SETTINGS_SECTIONS } from '@fnfleet/node/roles';
export { type FleetAccess, fleetAccess } from './access/fleet-access.js';
export type { Fetch, FetchOptions } from './access/secure-fetch.js';
export { ApiClient, type AppRef, type FnRef, type FnSpec } from './api-client.js';
export { COMMANDS, newProgram } from './commands/all.js';
export { deployFunction, invokeUrl } from './deploy/deploy.js';
export { LocalFleet, type LocalFleetOptions } from './fleet/local-fleet.js';

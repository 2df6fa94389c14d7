export { type ApiServer, type ApiServerOptions, newApiServer } from './api-server.js';
export {
  checkQueueSettings,
  LazyQueue,
  type QueueAccess,
  type QueueAccessParts,
  queueUrl,
} from './async/queue-access.js';
export { backUpQueue, type QueueContents, restoreQueue } from './async/queue-backup.js';
export { backUp, type DatabaseContents, restore } from './datastore/backup.js';
export type {
  AppFilter,
  Change,
  ChangeLog,
  Collection,
  Datastore,
  DueSchedule,
  FnFilter,
  Leader,
  Page,
  Position,
  RecordedChange,
  ScheduleMove,
  ScheduleState,
  ScheduleStore,
  TriggerCollection,
  TriggerFilter,
} from './datastore/datastore.js';
export {
  checkDatabaseUrl,
  type DatabaseServer,
  type DatastoreOptions,
  databaseOptions,
  openDatastore,
  probeDatabaseServer,
} from './datastore/open-datastore.js';
export { ChangeFeeds, type ChangeFeedsOptions, newChangeFeeds } from './feed/change-feeds.js';
export type { LocalListener } from './feed/feed-reader.js';
export { type OpenApiDocument, openApiDocument } from './openapi/document.js';
export { type ApiContext, type ApiListeners, apiRoutes } from './rest/api-routes.js';
export { type EndpointUrls, endpointUrls } from './rest/endpoints.js';
export type { ResourceListener } from './rest/listeners.js';
export { Scheduler, type SchedulerParts, startScheduler } from './schedules/scheduler.js';
export { type ApiSettings, apiSettings } from './settings.js';

/** What API nodes and tools need to read, check and describe resources. A balancer does without: zod costs it 19 MiB. */
export { fitsAnnotation } from './annotations.js';
export { type AppBody, type AppInput, appSchema, changedApp, newApp, parseAppInput } from './app.js';
export { changedFn, type FnBody, type FnInput, fnSchema, newFn, parseFnInput } from './fn.js';
export { jsonSchemaOf, type SchemaPart } from './rules.js';
export { type CatchUp, hasSameTimes, Schedule, type ScheduleOptions } from './schedule.js';
export {
  changedTrigger,
  newTrigger,
  parseTriggerInput,
  type TriggerBody,
  type TriggerInput,
  triggerSchema,
} from './trigger.js';

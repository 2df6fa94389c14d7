import { isDeployedAnnotation, parseFn, SCHEDULE_ANNOTATION, systemClock } from '@fnfleet/core';
import {
  changedFn,
  newApp,
  newFn,
  newTrigger,
  parseAppInput,
  parseFnInput,
  parseTriggerInput,
} from '@fnfleet/core/resources';
import type { Annotations, ApiClient, AppRef, FnRef, FnSpec, TriggerRef, TriggerSpec } from '../api-client.js';
import { DEPLOYED_TRIGGER, namesIn, type Surplus, surplusOf, writtenDown } from './managed.js';
import { isSchedule, planTriggers, type TriggerPlan } from './plan-triggers.js';

export interface Deployment {
  readonly spec: FnSpec;
  readonly triggers: readonly TriggerSpec[];
}

export interface DeployOptions {
  /** Removes what an earlier deployment has set and func.yaml does not: keys of maps and triggers; resets limits. */
  readonly prune?: boolean;
}

export interface Deployed {
  readonly fn: FnRef;
  readonly triggers: readonly TriggerRef[];
  /** What earlier deployments have set and func.yaml does not, in words; removed or kept, depending on `prune`. */
  readonly surplus: readonly string[];
  /** What others have set on the function, in words; always kept. */
  readonly others: readonly string[];
}

/** One change, with the description that is reported if a later one fails. */
interface Step {
  readonly what: string;
  readonly run: () => Promise<void>;
}

/**
 * Finds predictable failures of a deployment without changing anything. Called before an expensive build.
 * @throws Error
 */
export async function checkDeployment(api: ApiClient, appName: string, deployment: Deployment): Promise<void> {
  await plan(api, appName, deployment);
}

/**
 * Creates or updates a function with its triggers, and its app if needed. Predictable failures are found before
 * anything is changed.
 * @throws Error that lists what was changed before the failure
 */
export async function deploy(
  api: ApiClient,
  appName: string,
  deployment: Deployment,
  { prune = false }: DeployOptions = {},
): Promise<Deployed> {
  const { app: existingApp, fn: existing, triggers, surplus, spec } = await plan(api, appName, deployment);
  let [app, fn] = [existingApp, existing];
  const change = withNames(prune ? merged(spec, surplus.removal) : spec, [
    ...namesIn(spec),
    ...(prune ? [] : surplus.kept),
  ]);

  const deployed = new Map<string, TriggerRef>(triggers.keep.map((trigger) => [trigger.name, trigger]));
  const steps: Step[] = [];
  const step = (what: string, run: Step['run']) => steps.push({ what, run });
  if (app === undefined) {
    step(`created app ${appName}`, async () => {
      app = await api.createApp(appName);
    });
  }
  step(`${existing ? 'updated' : 'created'} function ${spec.name}`, async () => {
    if (existing === undefined) fn = await api.createFn(app?.id ?? '', change);
    else await api.updateFn(existing.id, change, existing);
  });
  for (const { existing: before, spec: trigger } of triggers.change) {
    step(`changed trigger ${before.name}`, async () => {
      deployed.set(
        trigger.name,
        await api.updateTrigger(before.id, { ...trigger, annotations: annotationsOf(trigger) }, before),
      );
    });
  }
  for (const trigger of triggers.create) {
    step(`created trigger ${trigger.name}`, async () => {
      const marked = { ...trigger, annotations: { ...trigger.annotations, ...DEPLOYED_TRIGGER } };
      deployed.set(trigger.name, await api.createTrigger(fn as FnRef, marked));
    });
  }
  for (const trigger of prune ? surplus.triggers : []) {
    step(`removed trigger ${trigger.name}`, () => api.deleteTrigger(trigger.id, trigger));
  }
  await runAll(steps);
  return {
    fn: fn as FnRef,
    triggers: deployment.triggers.flatMap(({ name }) => deployed.get(name) ?? []),
    surplus: surplus.names,
    others: surplus.others,
  };

  function withNames(of: FnSpec, names: readonly string[]): FnSpec {
    const annotations = { ...of.annotations, ...writtenDown(names, existing) };
    return Object.keys(annotations).length === 0 ? of : { ...of, annotations };
  }
}

interface Plan {
  readonly app: AppRef | undefined;
  readonly fn: FnRef | undefined;
  readonly triggers: TriggerPlan;
  readonly surplus: Surplus;
  /** Without the annotations in which deployments keep their own records. */
  readonly spec: FnSpec;
}

async function plan(api: ApiClient, appName: string, { spec: given, triggers: wanted }: Deployment): Promise<Plan> {
  const spec = withoutOurs(given);
  const app = await api.findApp(appName);
  const fn = app && (await api.findFn(app.id, spec.name));
  refuseWhatIsNotTaken(appName, fn, { spec, triggers: wanted });
  const existing = app ? await api.listTriggers(app.id) : [];
  const triggers = planTriggers(fn?.id, wanted, existing);
  return { app, fn, triggers, surplus: surplusOf(fn, spec, triggers.surplus), spec };
}

function withoutOurs({ annotations, ...spec }: FnSpec): FnSpec {
  const others = Object.entries(annotations ?? {}).filter(([key]) => !isDeployedAnnotation(key));
  return others.length === 0 ? spec : { ...spec, annotations: Object.fromEntries(others) };
}

/**
 * Runs the validation of an API node before the first request: a function that is rejected must not leave an app
 * behind.
 * @throws Error that says what is invalid, and why
 */
function refuseWhatIsNotTaken(appName: string, fn: FnRef | undefined, { spec, triggers }: Deployment): void {
  const [id, now] = ['new', systemClock.wallNow()];
  check(`app ${appName}`, () => newApp(parseAppInput(JSON.stringify({ name: appName })), id, now));
  check(`function ${spec.name}`, () => {
    const input = parseFnInput(JSON.stringify({ ...spec, app_id: id }));
    if (fn === undefined) newFn(input, id, now);
    else changedFn(parseFn(JSON.stringify(fn)), input, now);
  });
  for (const trigger of triggers) {
    check(`trigger ${trigger.name}`, () =>
      newTrigger(parseTriggerInput(JSON.stringify({ ...trigger, app_id: id, fn_id: id })), id, now),
    );
  }
}

function check(what: string, make: () => unknown): void {
  try {
    make();
  } catch (error) {
    throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
  }
}

/** Creates or updates a function without triggers, and its app if needed. */
export async function deployFunction(api: ApiClient, appName: string, spec: FnSpec): Promise<FnRef> {
  return (await deploy(api, appName, { spec, triggers: [] })).fn;
}

/** The URL at which the function is called, as reported by its API node. */
export function invokeUrl(fn: FnRef): string {
  const url = fn.annotations?.['fnproject.io/fn/invokeEndpoint'];
  if (typeof url !== 'string') throw new Error(`the API node does not report the invoke URL of ${fn.name}`);
  return url;
}

/** The change of a trigger's annotations. Options that func.yaml does not have are removed. */
function annotationsOf(trigger: TriggerSpec): Annotations {
  const options = isSchedule(trigger) ? { [SCHEDULE_ANNOTATION]: '' } : {};
  return { ...options, ...trigger.annotations, ...DEPLOYED_TRIGGER };
}

/** In words: where a trigger is called, or when it fires next. */
export function calledAt(trigger: TriggerRef): string {
  if (!isSchedule(trigger)) return triggerUrl(trigger);
  return trigger.next_fire_at === undefined ? 'paused' : `next ${trigger.next_fire_at.replace(/\.000Z$/, 'Z')}`;
}

/** The URL of the trigger, as reported by its API node. */
export function triggerUrl({ name, annotations }: TriggerRef): string {
  const url = annotations?.['fnproject.io/trigger/httpEndpoint'];
  if (typeof url !== 'string') throw new Error(`the API node does not report the URL of the trigger ${name}`);
  // An API node of Fn does not encode the source in it.
  return url.replace(/[^!-~]+/gu, (typed) => encodeURI(typed.toWellFormed()));
}

function merged(spec: FnSpec, removal: Partial<FnSpec>): FnSpec {
  const config = removal.config && { ...spec.config, ...removal.config };
  const annotations = removal.annotations && { ...spec.annotations, ...removal.annotations };
  return { ...spec, ...removal, ...(config && { config }), ...(annotations && { annotations }) };
}

async function runAll(steps: readonly Step[]): Promise<void> {
  for (const [index, { run }] of steps.entries()) {
    try {
      await run();
    } catch (error) {
      if (index === 0) throw error;
      const done = steps.slice(0, index).map(({ what }) => what);
      const message = `${(error as Error).message}\nbefore that it has ${done.join(', ')}; the rest was not done`;
      throw new Error(message, { cause: (error as Error).cause });
    }
  }
}

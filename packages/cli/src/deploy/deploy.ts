import type { ApiClient, FnRef, FnSpec, TriggerRef, TriggerSpec } from '../api-client.js';
import { planTriggers } from './plan-triggers.js';
import { surplusOf } from './surplus.js';

export interface Deployment {
  readonly spec: FnSpec;
  readonly triggers: readonly TriggerSpec[];
}

export interface DeployOptions {
  /** Removes what the function has and its func.yaml does not: keys of maps, triggers, and limits, which get their defaults. */
  readonly prune?: boolean;
}

export interface Deployed {
  readonly fn: FnRef;
  readonly triggers: readonly TriggerRef[];
  /** What the function has and its func.yaml does not, in words: it is removed, or kept. */
  readonly surplus: readonly string[];
}

/** One change, and what it is called when another fails. */
interface Step {
  readonly what: string;
  readonly run: () => Promise<void>;
}

/**
 * Creates or updates a function with its triggers, and its app if needed. What can be known to fail is found before
 * anything is changed.
 * @throws Error that says what was changed nevertheless
 */
export async function deploy(
  api: ApiClient,
  appName: string,
  { spec, triggers }: Deployment,
  { prune = false }: DeployOptions = {},
): Promise<Deployed> {
  let app = await api.findApp(appName);
  let fn = app && (await api.findFn(app.id, spec.name));
  const plan = planTriggers(fn?.id, triggers, app ? await api.listTriggers(app.id) : []);
  const surplus = surplusOf(fn, spec, plan.surplus);
  const change = prune ? merged(spec, surplus.removal) : spec;

  const deployed = new Map<string, TriggerRef>(plan.keep.map((trigger) => [trigger.name, trigger]));
  const steps: Step[] = [];
  const step = (what: string, run: Step['run']) => steps.push({ what, run });
  if (app === undefined) {
    step(`created app ${appName}`, async () => {
      app = await api.createApp(appName);
    });
  }
  const known = fn;
  step(`${known ? 'updated' : 'created'} function ${spec.name}`, async () => {
    if (known === undefined) fn = await api.createFn(app?.id ?? '', spec);
    else await api.updateFn(known.id, change);
  });
  for (const { existing, spec: trigger } of plan.change) {
    step(`changed trigger ${existing.name}`, async () => {
      deployed.set(trigger.name, await api.updateTrigger(existing.id, trigger));
    });
  }
  for (const trigger of plan.create) {
    step(`created trigger ${trigger.name}`, async () => {
      deployed.set(trigger.name, await api.createTrigger(fn as FnRef, trigger));
    });
  }
  for (const trigger of prune ? plan.surplus : []) {
    step(`removed trigger ${trigger.name}`, () => api.deleteTrigger(trigger.id));
  }
  await runAll(steps);
  return {
    fn: fn as FnRef,
    triggers: triggers.flatMap(({ name }) => deployed.get(name) ?? []),
    surplus: surplus.names,
  };
}

/** Creates or updates a function without triggers, and its app if needed. */
export async function deployFunction(api: ApiClient, appName: string, spec: FnSpec): Promise<FnRef> {
  return (await deploy(api, appName, { spec, triggers: [] })).fn;
}

/** Where the function is called, as its API node says. */
export function invokeUrl(fn: FnRef): string {
  const url = fn.annotations?.['fnproject.io/fn/invokeEndpoint'];
  if (typeof url !== 'string') throw new Error(`the API node does not say where ${fn.name} is invoked`);
  return url;
}

/** Where the trigger is called, as its API node says. */
export function triggerUrl({ name, annotations }: TriggerRef): string {
  const url = annotations?.['fnproject.io/trigger/httpEndpoint'];
  if (typeof url !== 'string') throw new Error(`the API node does not say where the trigger ${name} is called`);
  // An API node of Fn shows it as it was typed.
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
      const message = `${(error as Error).message}\nbefore that it has ${done.join(', ')}; the rest is not done`;
      throw new Error(message, { cause: (error as Error).cause });
    }
  }
}

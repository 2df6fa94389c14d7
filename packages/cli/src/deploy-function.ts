import type { ApiClient, FnRef, FnSpec, TriggerRef, TriggerSpec } from './api-client.js';

/** Creates the function, and its app if needed, or updates it where it exists. */
export async function deployFunction(api: ApiClient, appName: string, spec: FnSpec): Promise<FnRef> {
  const app = (await api.findApp(appName)) ?? (await api.createApp(appName));
  const existing = await api.findFn(app.id, spec.name);
  if (existing === undefined) return api.createFn(app.id, spec);
  await api.updateFn(existing.id, spec);
  return existing;
}

/** Creates the triggers, or gives those of these names another source. Others of the function stay as they are. */
export async function deployTriggers(
  api: ApiClient,
  fn: FnRef,
  specs: readonly TriggerSpec[],
): Promise<readonly TriggerRef[]> {
  const deployed: TriggerRef[] = [];
  for (const spec of specs) {
    const existing = await api.findTrigger(fn, spec.name);
    deployed.push(await (existing ? api.updateTrigger(existing.id, spec) : api.createTrigger(fn, spec)));
  }
  return deployed;
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
  return url;
}

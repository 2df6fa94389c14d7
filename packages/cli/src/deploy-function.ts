import type { ApiClient, FnRef, FnSpec } from './api-client.js';

/** Creates the function, and its app if needed, or updates it where it exists. */
export async function deployFunction(api: ApiClient, appName: string, spec: FnSpec): Promise<FnRef> {
  const app = (await api.findApp(appName)) ?? (await api.createApp(appName));
  const existing = await api.findFn(app.id, spec.name);
  if (existing === undefined) return api.createFn(app.id, spec);
  await api.updateFn(existing.id, spec);
  return existing;
}

/** Where the function is called, as its API node says. */
export function invokeUrl(fn: FnRef): string {
  const url = fn.annotations?.['fnproject.io/fn/invokeEndpoint'];
  if (typeof url !== 'string') throw new Error(`the API node does not say where ${fn.name} is invoked`);
  return url;
}

import type { ApiClient, AppRef, FnRef } from './api-client.js';

/** @throws Error if there is no app of this name */
export async function findApp(api: ApiClient, name: string): Promise<AppRef> {
  const app = await api.findApp(name);
  if (app === undefined) throw new Error(`there is no app ${name}`);
  return app;
}

/**
 * Finds a function by its name within an app or, without an app, by its id.
 * @throws Error that says what does not exist
 */
export async function findFunction(api: ApiClient, appName: string | undefined, nameOrId: string): Promise<FnRef> {
  if (appName === undefined) {
    const fn = await api.getFn(nameOrId);
    if (fn === undefined) {
      throw new Error(`there is no function with the id ${nameOrId}; to find it by name, name its app as well`);
    }
    return fn;
  }
  const app = await findApp(api, appName);
  const fn = await api.findFn(app.id, nameOrId);
  if (fn === undefined) throw new Error(`app ${appName} has no function ${nameOrId}`);
  return fn;
}

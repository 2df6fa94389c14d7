import type { ApiClient, AppRef, FnRef } from './api-client.js';

/** @throws Error when there is none of this name */
export async function findApp(api: ApiClient, name: string): Promise<AppRef> {
  const app = await api.findApp(name);
  if (app === undefined) throw new Error(`there is no app ${name}`);
  return app;
}

/**
 * The function of an app by its name, or, without an app, the one with this id.
 * @throws Error that says what there is not
 */
export async function findFunction(api: ApiClient, appName: string | undefined, nameOrId: string): Promise<FnRef> {
  if (appName === undefined) {
    const fn = await api.getFn(nameOrId);
    if (fn === undefined) {
      throw new Error(`there is no function with the id ${nameOrId}; to find one by its name, name its app as well`);
    }
    return fn;
  }
  const app = await findApp(api, appName);
  const fn = await api.findFn(app.id, nameOrId);
  if (fn === undefined) throw new Error(`app ${appName} has no function ${nameOrId}`);
  return fn;
}

import type { ApiClient, FnRef } from './api-client.js';

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
  const app = await api.findApp(appName);
  if (app === undefined) throw new Error(`there is no app ${appName}`);
  const fn = await api.findFn(app.id, nameOrId);
  if (fn === undefined) throw new Error(`app ${appName} has no function ${nameOrId}`);
  return fn;
}

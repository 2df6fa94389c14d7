import type { ApiListeners, Datastore } from '@fnfleet/api';
import { type App, type Fn, FnError, type Trigger } from '@fnfleet/core';
import type { FunctionSource } from '@fnfleet/lb-agent';

/** Looks functions up in the datastore of this process. Closing it closes the datastore. */
export class StoredFunctions implements FunctionSource {
  constructor(private readonly store: Datastore) {}

  async appIdByName(name: string): Promise<string> {
    const [app] = await this.store.apps.list({ name, limit: 1 });
    if (app === undefined) throw new FnError('appNotFound');
    return app.id;
  }

  app(id: string): Promise<App> {
    return this.store.apps.get(id);
  }

  fn(id: string): Promise<Fn> {
    return this.store.fns.get(id);
  }

  trigger(appId: string, source: string): Promise<Trigger> {
    return this.store.triggers.bySource(appId, 'http', source);
  }

  close(): Promise<void> {
    return this.store.close();
  }
}

/** Invokes a callback after every change over REST. */
export function afterEveryChange(changed: () => void): ApiListeners {
  const listener = { afterCreate: changed, afterUpdate: changed, afterDelete: changed };
  return { app: [listener], fn: [listener], trigger: [listener] };
}

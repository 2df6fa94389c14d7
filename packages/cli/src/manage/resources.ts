import type { ApiClient, AppRef, FnRef, TriggerRef } from '../api-client.js';
import { triggerUrl } from '../deploy/deploy.js';
import { findApp, findFunction } from '../find-function.js';
import { textTable } from '../operate/text-table.js';

/** The output of a command: as JSON, and as lines. */
export interface Shown {
  readonly json: unknown;
  readonly lines: readonly string[];
}

/** Names on the command line, from the app down. */
export type Names = readonly string[];

export async function listApps(api: ApiClient): Promise<Shown> {
  const apps = await api.listApps();
  return table(
    apps,
    ['NAME', 'ID', 'UPDATED'],
    apps.map(({ name, id, updated_at: updated = '' }) => [name, id, updated]),
  );
}

export async function listFunctions(api: ApiClient, [appName = '']: Names): Promise<Shown> {
  const app = await findApp(api, appName);
  const fns = await api.listFns(app.id);
  return table(
    fns,
    ['NAME', 'IMAGE', 'MEMORY', 'TIMEOUT', 'IDLE', 'ID'],
    fns.map((fn) => [
      fn.name,
      shownImage(fn.image),
      `${fn.memory} MiB`,
      `${fn.timeout} s`,
      `${fn.idle_timeout} s`,
      fn.id,
    ]),
  );
}

/** Shortens a digest as engines do; `inspect` and --json show all of it. */
function shownImage(image: string): string {
  return image.replace(/(sha256:[0-9a-f]{12})[0-9a-f]{52}$/, '$1');
}

export async function listTriggers(api: ApiClient, [appName = '', fnName]: Names): Promise<Shown> {
  const app = await findApp(api, appName);
  const fns = fnName === undefined ? await api.listFns(app.id) : [await findFunction(api, appName, fnName)];
  const triggers = await api.listTriggers(app.id, fnName === undefined ? {} : { fn_id: fns[0]?.id ?? '' });
  const names = new Map(fns.map(({ id, name }) => [id, name]));
  return table(
    triggers,
    ['FUNCTION', 'NAME', 'SOURCE', 'ENDPOINT', 'ID'],
    triggers.map((trigger) => [
      names.get(trigger.fn_id) ?? trigger.fn_id,
      trigger.name,
      trigger.source,
      triggerUrl(trigger),
      trigger.id,
    ]),
  );
}

/** One line for each field, with the entries of a map indented below it. */
export function inspected(resource: AppRef | FnRef | TriggerRef): Shown {
  const lines = Object.entries(resource).flatMap(([field, value]) => {
    if (typeof value !== 'object' || value === null) return value === null ? [] : [`${field}: ${value}`];
    return [`${field}:`, ...Object.entries(value).map(([key, text]) => `  ${key}: ${asText(text)}`)];
  });
  return { json: resource, lines };
}

export function configShown(config: Readonly<Record<string, string>> | null | undefined): Shown {
  const entries = Object.entries(config ?? {});
  return {
    json: Object.fromEntries(entries),
    lines: entries.length === 0 ? ['no configuration'] : entries.map(([key, value]) => `${key}=${value}`),
  };
}

/** @throws Error that says what does not exist */
export async function findTrigger(api: ApiClient, [appName = '', fnName = '', name = '']: Names): Promise<TriggerRef> {
  const trigger = await api.findTrigger(await findFunction(api, appName, fnName), name);
  if (trigger === undefined) throw new Error(`function ${fnName} of app ${appName} has no trigger ${name}`);
  return trigger;
}

function table(json: readonly unknown[], head: readonly string[], rows: readonly (readonly string[])[]): Shown {
  return { json, lines: rows.length === 0 ? ['none'] : textTable([head, ...rows]) };
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

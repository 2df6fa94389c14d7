import { InvalidArgumentError } from 'commander';
import {
  type Annotations,
  type ApiClient,
  type AppRef,
  type Config,
  type FnRef,
  findApp,
  findFunction,
  type TriggerRef,
} from '../api-client.js';
import { calledAt } from '../deploy/deploy.js';
import { textTable } from '../terminal/output.js';

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
    ['FUNCTION', 'NAME', 'SOURCE', 'CALLED AT', 'ID'],
    triggers.map((trigger) => [
      names.get(trigger.fn_id) ?? trigger.fn_id,
      trigger.name,
      trigger.source,
      calledAt(trigger),
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

/** Collects `KEY=VALUE` options. Rejects an empty value, because the API takes it as a removal. */
export function collectConfig(text: string, before: Config = {}): Config {
  const [key, value] = keyAndValue(text);
  if (value === '') throw new InvalidArgumentError(`expected KEY=VALUE; --unset ${key} removes a key.`);
  return { ...before, [key]: value };
}

/** Collects `KEY=JSON` or `KEY=text` options. An empty value removes the key. */
export function collectAnnotations(text: string, before: Annotations = {}): Annotations {
  const [key, value] = keyAndValue(text);
  return { ...before, [key]: jsonOrText(value) };
}

export function collectKeys(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** @throws Error when there is nothing to change */
export function someChange<T extends object>(change: T, ways: readonly string[]): T {
  if (Object.values(change).some((value) => value !== undefined)) return change;
  throw new Error(`nothing to change; use ${ways.join(', ')}`);
}

export async function deleteApp(api: ApiClient, [name = '']: Names, recursive: boolean): Promise<object> {
  const app = await findApp(api, name);
  if (!recursive) refuseWhatGoesAlong(`app ${name}`, 'function', await api.listFns(app.id));
  await api.deleteApp(app.id);
  return app;
}

export async function deleteFunction(api: ApiClient, [appName, name = '']: Names, recursive: boolean): Promise<object> {
  const fn: FnRef = await findFunction(api, appName, name);
  if (!recursive) {
    refuseWhatGoesAlong(`function ${name}`, 'trigger', await api.listTriggers(fn.app_id, { fn_id: fn.id }));
  }
  await api.deleteFn(fn.id);
  return fn;
}

export async function deleteTrigger(api: ApiClient, names: Names): Promise<object> {
  const trigger = await findTrigger(api, names);
  await api.deleteTrigger(trigger.id);
  return trigger;
}

function refuseWhatGoesAlong(what: string, kind: string, along: readonly { readonly name: string }[]): void {
  if (along.length === 0) return;
  const names = along.slice(0, 5).map(({ name }) => name);
  const more = along.length > names.length ? ` and ${along.length - names.length} more` : '';
  const has = `${along.length} ${kind}${along.length === 1 ? '' : 's'} (${names.join(', ')}${more})`;
  throw new Error(`${what} has ${has}, which would be deleted as well: --recursive deletes all of it`);
}

function keyAndValue(text: string): [key: string, value: string] {
  const at = text.indexOf('=');
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new InvalidArgumentError(`expected KEY=VALUE, got ${JSON.stringify(text)}.`);
}

/** Reads the value of an option. */
export function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

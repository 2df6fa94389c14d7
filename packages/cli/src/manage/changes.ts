import { InvalidArgumentError } from 'commander';
import type { Annotations, ApiClient, Config, FnRef } from '../api-client.js';
import { findApp, findFunction } from '../find-function.js';
import { findTrigger, type Names } from './resources.js';

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

function jsonOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

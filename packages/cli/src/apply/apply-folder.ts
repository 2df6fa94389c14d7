import type { ApiClient } from '../api-client.js';
import { appState, fnState } from './desired-state.js';
import { type FileFormat, FolderWriter } from './folder-writer.js';
import { type Plan, type PlanOptions, planApp } from './plan-changes.js';
import { readFolder } from './read-folder.js';

/**
 * Compares a folder with an API node, app by app. Reads and checks everything before anything could be changed.
 * @throws Error that names the file
 */
export async function planFolder(api: ApiClient, folder: string, options: PlanOptions): Promise<Plan> {
  const plans: Plan[] = [];
  for (const app of readFolder(folder)) plans.push(await planApp(api, app, options));
  return { steps: plans.flatMap(({ steps }) => steps), kept: plans.flatMap(({ kept }) => kept) };
}

/**
 * Makes the changes of a plan in order.
 * @param done called after each of them
 * @throws Error that says how many were made before the failure
 */
export async function runPlan({ steps }: Plan, done: (lines: readonly string[]) => void): Promise<void> {
  for (const [index, { lines, run }] of steps.entries()) {
    try {
      await run();
    } catch (error) {
      const [line = ''] = lines;
      throw new Error(
        `${line}: ${(error as Error).message}\n${index} of ${steps.length} changes were made; run it again once the cause is mended: it goes on with what is left`,
        { cause: error },
      );
    }
    done(lines);
  }
}

/**
 * Writes all apps of an API node, or those named, into a folder.
 * @returns the number of apps and functions, and the files that were removed because their resources no longer exist
 * @throws Error when a named app does not exist, or the folder holds other things
 */
export async function exportFolder(
  api: ApiClient,
  folder: string,
  { apps: names, format }: { readonly apps: readonly string[]; readonly format: FileFormat },
): Promise<{ readonly apps: number; readonly functions: number; readonly removed: readonly string[] }> {
  const all = await api.listApps();
  const unknown = names.find((name) => !all.some((app) => app.name === name));
  if (unknown !== undefined) throw new Error(`there is no app ${unknown}`);
  const apps = names.length === 0 ? all : all.filter(({ name }) => names.includes(name));
  const writer = new FolderWriter(folder, format);
  let functions = 0;
  for (const app of apps) {
    const triggers = Map.groupBy(await api.listTriggers(app.id), ({ fn_id }) => fn_id);
    const fns = await api.listFns(app.id);
    functions += fns.length;
    writer.app(
      appState(
        app,
        fns.map((fn) => fnState(fn, triggers.get(fn.id) ?? [])),
      ),
    );
  }
  // With names, the folder keeps the other apps.
  const removed = writer.finish(names.length === 0 ? 'all' : 'written apps');
  return { apps: apps.length, functions, removed };
}

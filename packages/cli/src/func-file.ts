import path from 'node:path';
import { readSmallFileSync } from '@fnfleet/core';
import { parse } from 'yaml';
import type { FnSpec, TriggerSpec } from './api-client.js';

/**
 * Reads `func.yaml`: the fields of the `fn` command line that say what to run. Without an `image` the image is
 * `<name>:<version>`, as that command names what it builds.
 *
 * @throws Error that names the file and the field that is wrong
 */
export function readFuncFile(dir: string): FnSpec & { readonly triggers: readonly TriggerSpec[] } {
  const file = path.join(dir, 'func.yaml');
  const fields = parseFile(file);
  const name = fields.name;
  if (typeof name !== 'string' || name === '') throw new Error(`${file}: expected a name`);
  const image = fields.image ?? `${name}:${fields.version ?? 'latest'}`;
  return {
    name,
    image: String(image),
    memory: wholeNumber(file, fields, 'memory'),
    timeout: wholeNumber(file, fields, 'timeout'),
    idle_timeout: wholeNumber(file, fields, 'idle_timeout'),
    config: fields.config as FnSpec['config'],
    triggers: triggersOf(file, fields.triggers),
  };
}

function parseFile(file: string): Record<string, unknown> {
  try {
    return parse(readSmallFileSync(file)) ?? {};
  } catch (error) {
    throw new Error(`cannot read ${file}: ${(error as Error).message}`);
  }
}

function triggersOf(file: string, value: unknown): TriggerSpec[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new Error(`${file}: triggers: expected a list`);
  return value.map((entry: Partial<TriggerSpec> | null) => {
    const { name, type = 'http', source } = entry ?? {};
    if (typeof name === 'string' && type === 'http' && typeof source === 'string') return { name, type, source };
    throw new Error(`${file}: triggers: expected name, type http and source of each, got ${JSON.stringify(entry)}`);
  });
}

function wholeNumber(file: string, fields: Record<string, unknown>, name: string): number | undefined {
  const value = fields[name];
  if (value === undefined || Number.isSafeInteger(value)) return value as number | undefined;
  throw new Error(`${file}: ${name}: expected a whole number, got ${JSON.stringify(value)}`);
}

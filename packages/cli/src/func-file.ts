import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import type { FnSpec } from './api-client.js';

/**
 * Reads `func.yaml`: the fields of the `fn` command line that say what to run. Without an `image` the image is
 * `<name>:<version>`, as that command names what it builds.
 */
export function readFuncFile(dir: string): FnSpec {
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
  };
}

function parseFile(file: string): Record<string, unknown> {
  try {
    return parse(readFileSync(file, 'utf8')) ?? {};
  } catch (error) {
    throw new Error(`cannot read ${file}: ${(error as Error).message}`);
  }
}

function wholeNumber(file: string, fields: Record<string, unknown>, name: string): number | undefined {
  const value = fields[name];
  if (value === undefined || Number.isSafeInteger(value)) return value as number | undefined;
  throw new Error(`${file}: ${name}: expected a whole number, got ${JSON.stringify(value)}`);
}

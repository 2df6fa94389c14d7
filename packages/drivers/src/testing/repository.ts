import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = join(__dirname, '..', '..', '..', '..');

/** The directory of the test functions. */
export const FUNCTIONS_DIR = join(ROOT, 'e2e', 'functions');

/** Loads a script of the repository: a plain module outside of the compiled packages. */
export async function script<T>(path: string): Promise<T> {
  return import(pathToFileURL(join(ROOT, path)).href) as Promise<T>;
}

/** Builds the image of a function if it is missing. Returns its name. */
export async function functionImage(name: 'probe' | 'micro' | 'hello-node'): Promise<string> {
  const { ensureFunctionImage } = await script<{ ensureFunctionImage(name: string): Promise<string> }>(
    'scripts/images/catalogue.mjs',
  );
  return ensureFunctionImage(name);
}

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = join(__dirname, '..', '..', '..', '..');

/** The functions that tests run, as folders. */
export const FUNCTIONS_DIR = join(ROOT, 'e2e', 'functions');

/** Loads a script of the repository: they are plain modules, outside of the compiled packages. */
export async function script<T>(path: string): Promise<T> {
  return import(pathToFileURL(join(ROOT, path)).href) as Promise<T>;
}

/** Builds the image of a function if it is not there, and gives its name. */
export async function functionImage(name: 'probe' | 'micro' | 'hello-node'): Promise<string> {
  const { ensureFunctionImage } = await script<{ ensureFunctionImage(name: string): Promise<string> }>(
    'scripts/images/catalogue.mjs',
  );
  return ensureFunctionImage(name);
}

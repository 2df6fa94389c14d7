import {
  closeSync,
  constants,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { Command, Option } from 'commander';
import { say } from '../terminal/output.js';

export function initCommand(): Command {
  return new Command('init')
    .description('Creates a folder with a working function: its code, a func.yaml and a Dockerfile.')
    .argument('<name>', 'name of the function and of the folder')
    .addOption(new Option('--runtime <language>', 'programming language').choices(templateNames()).default('node'))
    .option('--force', 'write into a folder that is not empty; files of the same names are replaced', false)
    .action((name: string, { runtime, force }: { runtime: string; force: boolean }) => {
      const files = writeTemplate(name, { name, runtime, force });
      say([`created ${name}: ${files.join(', ')}`, `deploy it with: fnfleet deploy ${name} --app <app>`]);
    });
}

const TEMPLATES = path.join(__dirname, '../../templates');
/** Placeholder for the name of the function in the templates. */
const NAME = 'function-name';

/** Valid names of functions: a name also becomes the name of an image, a folder and a path. */
const FUNCTION_NAME = /^[a-z0-9]+(?:[-_][a-z0-9]+)*$/;
const MAX_NAME = 100;
/** Flags that neither follow a link nor block on a pipe: the folder may belong to somebody else. */
const REPLACE =
  constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** Languages that have a template, sorted by name. */
export function templateNames(): readonly string[] {
  return readdirSync(TEMPLATES).sort();
}

/**
 * Writes a working function into a folder.
 * @param force write even if the folder is not empty; files of the same names are replaced
 * @returns the files
 * @throws Error when the name is invalid, the folder is not empty, or a link in it leads elsewhere
 */
export function writeTemplate(
  folder: string,
  { name, runtime, force }: { readonly name: string; readonly runtime: string; readonly force: boolean },
): readonly string[] {
  checkName(name);
  const template = path.join(TEMPLATES, runtime);
  const files = readdirSync(template, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(template, path.join(entry.parentPath, entry.name)))
    .sort();
  mkdirSync(folder, { recursive: true });
  if (!force && readdirSync(folder).length > 0) {
    throw new Error(`the folder ${folder} is not empty; --force writes into it anyway`);
  }
  const root = realpathSync(folder);
  for (const file of files) {
    replace(root, file, readFileSync(path.join(template, file), 'utf8').replaceAll(NAME, name));
  }
  return files;
}

function replace(root: string, file: string, text: string): void {
  let above = root;
  for (const part of file.split(path.sep).slice(0, -1)) {
    above = path.join(above, part);
    mkdirSync(above, { recursive: true });
    if (realpathSync(above) !== above) throw new Error(`${above} is a symbolic link, which is not followed`);
  }
  const target = path.join(root, file);
  let descriptor: number;
  try {
    descriptor = openSync(target, REPLACE, 0o666);
  } catch (cause) {
    throw new Error(`cannot write ${target}, which is not a regular file: ${(cause as Error).message}`, {
      cause,
    });
  }
  try {
    writeFileSync(descriptor, text);
  } finally {
    closeSync(descriptor);
  }
}

function checkName(name: string): void {
  if (FUNCTION_NAME.test(name) && name.length <= MAX_NAME) return;
  throw new Error(
    `a function is called by lower case letters, digits, - and _ between them, at most ${MAX_NAME}, got ${JSON.stringify(name)}`,
  );
}

import { execFile } from 'node:child_process';
import { readFile, realpath } from 'node:fs/promises';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Features that nothing in a socket directory needs. */
const ALWAYS = 'noexec,nosuid,nodev';

/**
 * Mounts a tmpfs over a directory.
 * @param options those of tmpfs: size=, nr_inodes=, mode= …
 * @throws Error with the message of mount(8)
 */
export async function mountTmpfs(directory: string, options: string): Promise<void> {
  if (process.platform !== 'linux') {
    throw new Error(`tmpfs IOFS not supported on ${process.platform === 'darwin' ? 'macOS' : process.platform}`);
  }
  await run('mount', ['-t', 'tmpfs', '-o', `${ALWAYS},${options}`, 'tmpfs', directory]).catch((cause) => {
    throw new Error(`cannot mount/create tmpfs at ${directory}: ${wordsOf(cause)}`, { cause });
  });
}

/** Unmounts a directory lazily; its memory is freed when the last user is gone. */
export async function unmount(directory: string): Promise<void> {
  await run('umount', ['-l', directory]).catch((cause) => {
    throw new Error(`cannot unmount ${directory}: ${wordsOf(cause)}`, { cause });
  });
}

/** Mount points in a directory or below it, innermost first. */
export async function mountsBelow(directory: string): Promise<string[]> {
  if (process.platform !== 'linux') return [];
  const real = await realpath(directory);
  const lines = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n');
  const points = lines.map((line) => unescapePath(line.split(' ')[4] ?? ''));
  return points.filter((point) => point === real || point.startsWith(`${real}/`)).reverse();
}

/** The kernel escapes whitespace as octal numbers. */
function unescapePath(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_match, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

function wordsOf(failure: Error & { stderr?: string }): string {
  return failure.stderr?.trim() || failure.message;
}

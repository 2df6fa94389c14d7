import { type ExecFileOptions, execFile } from 'node:child_process';
import { promisify } from 'node:util';

/** Below the limits of tests, which are two minutes or more. */
const LIMIT_MS = 100_000;

interface FailedRun extends Error {
  readonly code: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end, and kills one that does not end in time.
 * @throws FailedRun with all that it printed, unless it ends with code 0
 */
export async function run(
  program: string,
  args: readonly string[],
  options: Pick<ExecFileOptions, 'cwd' | 'env'> & { readonly timeoutMs?: number } = {},
): Promise<{ stdout: string; stderr: string }> {
  const { timeoutMs = LIMIT_MS, ...rest } = options;
  try {
    return await promisify(execFile)(program, args, {
      ...rest,
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      maxBuffer: 16 * 1024 * 1024,
    });
  } catch (error) {
    const { code, stdout, stderr, killed } = error as Partial<FailedRun> & { killed?: boolean };
    const how = killed ? `did not end within ${timeoutMs} ms` : 'failed';
    const failure = new Error(`${program} ${args.join(' ')} ${how}:\n${stdout}\n${stderr}`, { cause: error });
    throw Object.assign(failure, { code, stdout, stderr });
  }
}

import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * Identifies the process that created a container, precisely enough for a later process to find out whether it is gone: a
 * process id alone is reused after a while and after every boot.
 */
export interface RunnerIdentity {
  /** The machine id, or the host name if there is none. */
  readonly machine: string;
  readonly boot: string;
  /** Process ids are valid only within one namespace; a runner in a container has its own. */
  readonly pidNamespace: string;
  readonly pid: number;
  /** When the process started, in clock ticks since boot. */
  readonly startTicks: string;
}

const SEPARATOR = '/';

export function ownIdentity(): RunnerIdentity {
  return {
    machine: readOr('/etc/machine-id', hostname()),
    boot: readOr('/proc/sys/kernel/random/boot_id', 'unknown'),
    pidNamespace: ownPidNamespace(),
    pid: process.pid,
    startTicks: startTicksOf(process.pid) ?? 'unknown',
  };
}

/** Formats an identity as the value of a label. */
export function formatIdentity({ machine, boot, pidNamespace, pid, startTicks }: RunnerIdentity): string {
  return [machine, boot, pidNamespace, pid, startTicks].join(SEPARATOR);
}

/** Undefined for a label in another format. */
export function parseIdentity(label: string): RunnerIdentity | undefined {
  const [machine, boot, pidNamespace, pid, startTicks, ...more] = label.split(SEPARATOR);
  if (!machine || !boot || !pidNamespace || !pid || !startTicks || more.length > 0) return undefined;
  return { machine, boot, pidNamespace, pid: Number(pid), startTicks };
}

/**
 * True only if the other process is certainly gone: the machine has rebooted since, or this process can see that the other does
 * not exist. Processes on another machine or in another namespace are unknown.
 */
export function isKnownGone(
  other: RunnerIdentity,
  own: RunnerIdentity,
  startTicks: (pid: number) => string | undefined = startTicksOf,
): boolean {
  if (other.machine !== own.machine) return false;
  if (other.boot !== own.boot) return true;
  if (other.pidNamespace !== own.pidNamespace) return false;
  return startTicks(other.pid) !== other.startTicks;
}

/** Undefined if there is no such process; `unknown` if the system says only that it exists. */
function startTicksOf(pid: number): string | undefined {
  try {
    // The second field, the name in brackets, may contain anything. The start time is the 22nd field.
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[22 - 3];
  } catch {
    return process.platform === 'linux' || !exists(pid) ? undefined : 'unknown';
  }
}

function exists(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function ownPidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return 'none';
  }
}

function readOr(path: string, fallback: string): string {
  try {
    return readFileSync(path, 'utf8').trim() || fallback;
  } catch {
    return fallback;
  }
}

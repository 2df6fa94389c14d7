import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/**
 * Which process made a container, told precisely enough that a later process can say whether the first is gone: a
 * process id alone is given out again, after a while and after every boot.
 */
export interface RunnerIdentity {
  /** The machine's own id, else its host name. */
  readonly machine: string;
  readonly boot: string;
  /** Process ids mean something only within one namespace: a runner in a container has its own. */
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

/** As the value of a label. */
export function formatIdentity({ machine, boot, pidNamespace, pid, startTicks }: RunnerIdentity): string {
  return [machine, boot, pidNamespace, pid, startTicks].join(SEPARATOR);
}

/** Undefined for a label that something else wrote. */
export function parseIdentity(label: string): RunnerIdentity | undefined {
  const [machine, boot, pidNamespace, pid, startTicks, ...more] = label.split(SEPARATOR);
  if (!machine || !boot || !pidNamespace || !pid || !startTicks || more.length > 0) return undefined;
  return { machine, boot, pidNamespace, pid: Number(pid), startTicks };
}

/**
 * True only where it is certain: the machine has booted since, or this process can see that the other is not there.
 * Of another machine, or of another process namespace, nothing is known.
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

/** Undefined when there is no such process; `unknown` where the system does not tell more than that there is. */
function startTicksOf(pid: number): string | undefined {
  try {
    // The second field, the name, is in brackets and may hold anything; the start is the 22nd.
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

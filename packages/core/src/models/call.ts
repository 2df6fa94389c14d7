import type { WallMs } from '../clock.js';
import type { HeaderMap } from '../headers.js';

export type CallType = 'sync' | 'detached';
export type CallStatus = 'queued' | 'running' | 'success' | 'error' | 'timeout' | 'cancelled';

/** Annotation values are any JSON; they are part of the slot key. */
export type Annotations = Record<string, unknown>;
export type Config = Record<string, string>;

/**
 * One invocation: what to run and within which limits. The balancer makes it, the runner executes it.
 * Units follow the wire so that nothing is converted twice: seconds and megabytes (of 1 048 576 bytes).
 */
export interface Call {
  readonly id: string;
  readonly image: string;
  readonly type: CallType;
  readonly fnId: string;
  readonly appId: string;
  readonly appName: string;
  /** Empty for a direct invoke. */
  readonly triggerId: string;
  /** The request of the caller, for information; the function is always called with POST /call. */
  readonly method: string;
  readonly url: string;
  headers: HeaderMap;
  /** The environment of the container. */
  config: Config;
  annotations: Annotations;
  syslogUrl: string;
  timeoutSeconds: number;
  idleTimeoutSeconds: number;
  memoryMb: number;
  /** 0: no limit of its own. */
  tmpfsMb: number;
  /** Thousandths of a core; 0: no limit. */
  cpuMillis: number;
  status: CallStatus;
  /** Text of the error when status is `error`. */
  error?: string;
  /** Instants, as far as they have happened. */
  createdAt: WallMs | undefined;
  startedAt: WallMs | undefined;
  completedAt: WallMs | undefined;
}

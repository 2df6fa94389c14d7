import type { OnReadOpts, Socket } from 'node:net';
import type { MonoMs, Resource } from '@fnfleet/core';
import type { HealthView } from './driver-health.js';

/**
 * Separates the agent from whatever runs a function. The agent decides when containers are created and closed; the driver
 * knows how. A failure whose reason the caller should see rejects with an FnError. Closing the driver closes every remaining
 * container, then the connections to the engine.
 */
export interface Driver extends Resource {
  /** The name that `FN_DRIVER` selects it by. */
  readonly name: string;
  readonly capabilities: DriverCapabilities;
  /** Resolves when containers can be created; rejects with the reason if that will never be possible. */
  readonly ready: Promise<void>;
  /** Facts about the engine for operators; unset if there are none. */
  readonly facts?: DriverFacts;
  /** Whether new containers can be created now. The agent requests none while the driver is degraded. */
  readonly health: HealthView;
  /**
   * Makes sure that the image is present, pulling it if necessary, and keeps it until it is released. Concurrent pulls of one
   * image share one download.
   * @param onPull called if the image has to be pulled, once the pull has begun
   * @throws FnError `imagePullFailed`, `imageHasVolume`
   */
  prepareImage(spec: ContainerSpec, signal: AbortSignal, onPull?: (pull: ImagePull) => void): Promise<PreparedImage>;
  /** Creates a container without starting it. */
  create(spec: ContainerSpec, signal: AbortSignal): Promise<Container>;
}

/** Facts for operators, by name in snake case. */
export type DriverFacts = Readonly<Record<string, string | number | boolean | undefined>>;

/** A pull in progress. Its numbers change while it runs. */
export interface ImagePull {
  /** When the pull began, by the clock of the driver, milliseconds. */
  readonly since: MonoMs;
  /** Sum over the layers whose download has begun. The sizes of later layers are not known yet. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

/** An image on this machine, held for the life of one container. */
export interface PreparedImage {
  /** How long the pull took, nanoseconds; 0 if the image was present. */
  readonly pullNs: number;
  /** Releases the image when the container no longer needs it. Idempotent. */
  release(): void;
}

export interface DriverCapabilities {
  /** Whether `pause` and `resume` have an effect. */
  readonly pause: boolean;
  /** Whether functions are isolated from the host and from each other. */
  readonly isolation: boolean;
  /** Added to the slot key, so that containers that are created differently are never confused. Usually empty. */
  readonly slotKeyExtension: string;
  /** Memory that the driver needs in addition to the containers of functions. Unset if negligible. */
  readonly ownMemoryMb?: number;
  /** Containers are created outside of our own control group, whose limits therefore do not apply to them. */
  readonly outside?: boolean;
}

/** Describes a container to create. Sizes in megabytes of 1 048 576 bytes; 0 means no limit. */
export interface ContainerSpec {
  /** Chosen by the agent; also the container's name. */
  readonly id: string;
  readonly image: string;
  readonly env: Readonly<Record<string, string>>;
  readonly memoryMb: number;
  readonly tmpfsMb: number;
  readonly cpuMillis: number;
  readonly appId: string;
  readonly fnId: string;
  /** Where the engine itself sends the output of the container; empty if nowhere. */
  readonly syslogUrl: string;
  /** Receives the output of the container from its start. If unset, nothing is attached to it. */
  readonly output?: OutputListener | undefined;
  readonly networkDisabled: boolean;
  /** From the balancer's call overrider. A driver may use `FN_REGISTRY_TOKEN` to authenticate to the image's registry. */
  readonly extensions: Readonly<Record<string, string>>;
}

/** The stream that a function wrote to. */
export type OutputSource = 'stdout' | 'stderr';

/**
 * Receives the output of a function, in arbitrary chunks. Called synchronously, and must neither wait nor throw: a driver
 * always continues to read, because a function blocks when its output is not read. The driver reuses the buffer when the
 * listener returns.
 */
export type OutputListener = (chunk: Buffer, source: OutputSource) => void;

/**
 * One container, from `create` to `close`. Methods are called one after another, in the order of this interface. Closing it kills
 * the container and removes it with everything that belongs to it.
 */
export interface Container extends Resource {
  readonly id: string;
  /** The expected path of the function's socket on this machine, for messages. To connect, call `connect`. */
  readonly socketPath: string;
  start(signal: AbortSignal): Promise<void>;
  /**
   * Resolves when the function has opened its socket.
   * @throws FnError `containerInitFailed` when what appeared is not an acceptable socket
   */
  listening(signal: AbortSignal): Promise<void>;
  /**
   * Begins a connection to the function. Checks its socket again, because the function may have replaced it by a foreign one.
   * Valid once `listening` has resolved.
   * @param read receives incoming data instead of events of the socket
   * @throws FnError `containerInitFailed`, Error when there is no longer an acceptable socket
   */
  connect(read?: OnReadOpts): Socket;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Resolves when the process ends, for whatever reason. A crash of the function is a result, not a rejection. */
  wait(): Promise<ExitResult>;
}

export interface ExitResult {
  readonly exitCode: number;
  /** Whether it was killed for its memory use, if the engine reports that. */
  readonly outOfMemory: boolean;
}

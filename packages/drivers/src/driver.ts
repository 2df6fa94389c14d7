import type { OnReadOpts, Socket } from 'node:net';
import type { MonoMs } from '@fnfleet/core';
import type { HealthView } from './driver-health.js';

/**
 * The border between the agent and whatever runs a function. The agent decides when containers live and die; a driver
 * knows how. Everything that fails for a reason the caller should see rejects with an FnError.
 */
export interface Driver {
  /** What `FN_DRIVER` selects. */
  readonly name: string;
  readonly capabilities: DriverCapabilities;
  /** Resolves when containers can be made; rejects with the reason why never. */
  readonly ready: Promise<void>;
  /** What it knows of whatever makes its containers, for operators. Unset: nothing. */
  readonly facts?: DriverFacts;
  /** Whether new containers can be made now. The agent asks for none while it is degraded. */
  readonly health: HealthView;
  /**
   * Makes sure the image is here, pulling it if needed, and stays until it is released. Concurrent pulls of one image
   * share one download.
   * @param onPull called when it has to be pulled, and the pull has begun
   * @throws FnError `imagePullFailed`, `imageHasVolume`
   */
  prepareImage(spec: ContainerSpec, signal: AbortSignal, onPull?: (pull: ImagePull) => void): Promise<PreparedImage>;
  /** Makes a container that has not started yet. */
  create(spec: ContainerSpec, signal: AbortSignal): Promise<Container>;
  /** Closes every container that is left, then lets go of the engine. Idempotent, never rejects. */
  close(): Promise<void>;
}

/** By name, in snake case; for operators. */
export type DriverFacts = Readonly<Record<string, string | number | boolean | undefined>>;

/** An image on its way to this machine. What it tells changes while it comes. */
export interface ImagePull {
  /** By the clock of the driver, milliseconds. */
  readonly since: MonoMs;
  /** Of the layers that are being downloaded or have been; sizes of those that come later are not known yet. */
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

/** An image that is on this machine, lent for the life of one container. */
export interface PreparedImage {
  /** How long the pull took, nanoseconds; 0 when the image was here. */
  readonly pullNs: number;
  /** No container of the borrower needs the image any more. Idempotent. */
  release(): void;
}

export interface DriverCapabilities {
  /** `pause` and `resume` do something. */
  readonly pause: boolean;
  /** Functions are kept apart from the host and from each other. */
  readonly isolation: boolean;
  /** What drivers add to the slot key, so that differently made containers are never mixed up. Usually empty. */
  readonly slotKeyExtension: string;
  /** Memory that the driver needs for itself, beside the containers of functions. Unset: next to none. */
  readonly ownMemoryMb?: number;
  /** The limits of our own control group are not those of the containers: they are made outside of it. */
  readonly outside?: boolean;
}

/** What a container is made from. Sizes in megabytes of 1 048 576 bytes; 0 means no limit. */
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
  /** Where the engine itself sends the output of the container; empty: nowhere. */
  readonly syslogUrl: string;
  /** Gets the output of the container, from before its start. Unset: nothing is attached to it. */
  readonly output?: OutputListener | undefined;
  readonly networkDisabled: boolean;
  /** From the balancer's call overrider. A driver may use `FN_REGISTRY_TOKEN`: what to show to the image's registry. */
  readonly extensions: Readonly<Record<string, string>>;
}

/** Which of its two outputs a function wrote to. */
export type OutputSource = 'stdout' | 'stderr';

/**
 * Takes what a function prints, in the pieces in which it comes. Called synchronously, and must neither wait nor throw:
 * a driver reads on whatever happens, since a function whose output nobody reads stands still. The bytes are the
 * driver's again when it returns.
 */
export type OutputListener = (chunk: Buffer, source: OutputSource) => void;

/** One container, from create to close. Methods are called one after another, in the order of this interface. */
export interface Container {
  readonly id: string;
  /** Where the function's socket should be, as a path on this machine: for messages. To dial, call `connect`. */
  readonly socketPath: string;
  start(signal: AbortSignal): Promise<void>;
  /**
   * Resolves when the function has opened its socket.
   * @throws FnError `containerInitFailed` when what appeared is not an acceptable socket
   */
  listening(signal: AbortSignal): Promise<void>;
  /**
   * Begins a connection to the function, after another look at its socket: a function may have swapped it for one that is
   * not its own. Valid once `listening` has resolved.
   * @param read where to put what arrives, in place of events of the socket
   * @throws FnError `containerInitFailed`, Error when there is no acceptable socket any more
   */
  connect(read?: OnReadOpts): Socket;
  pause(): Promise<void>;
  resume(): Promise<void>;
  /** Resolves when the process ends, whoever ended it. A crash of the function is a result, not a rejection. */
  wait(): Promise<ExitResult>;
  /** Kills and removes, with everything that belongs to it. Idempotent, never rejects. */
  close(): Promise<void>;
}

export interface ExitResult {
  readonly exitCode: number;
  /** Killed for its memory use, where the engine tells. */
  readonly outOfMemory: boolean;
}

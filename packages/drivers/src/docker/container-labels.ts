import { formatIdentity, isKnownGone, ownIdentity, parseIdentity, type RunnerIdentity } from '../runner-identity.js';

const CLASSIFIER = 'fn-agent-classifier';
const INSTANCE = 'fn-agent-instance';
/** Tells the drivers of one process apart. */
const DRIVER = 'fn-agent-driver';
/** The container that the runner itself runs in, where the same engine made it. */
const CONTAINER = 'fn-agent-container';
/** What containers are classified as when the operator chose no tag. All runners of an engine share it. */
const SHARED_TAG = 'fnfleet';

/** Who made a container, as seen from this runner. Of those that nothing is known about, hands are kept off. */
export type ContainerOwner = 'self' | 'gone' | 'other';

let drivers = 0;

/**
 * The labels by which a runner knows the containers that are its own to remove.
 *
 * - With a tag of the operator's (FN_CONTAINER_LABEL_TAG), the tag is this runner's alone: every container that has it
 *   and was made by another process is left over.
 * - Without one, runners that live share an engine and a tag: a container is left over only if the process that made it
 *   is known to be gone.
 */
export class ContainerLabels {
  /** Which runner of the machine this is. */
  readonly instance: string;
  private readonly driver = String(++drivers);
  private container: string | undefined;

  constructor(
    private readonly tag: string | undefined,
    private readonly identity: RunnerIdentity = ownIdentity(),
  ) {
    this.instance = formatIdentity(identity);
  }

  /** The runner itself is in this container of the engine. */
  runsIn(containerId: string): void {
    this.container = containerId;
  }

  /** For the containers that this runner makes. */
  get own(): Readonly<Record<string, string>> {
    return {
      [CLASSIFIER]: this.tag ?? SHARED_TAG,
      [INSTANCE]: this.instance,
      [DRIVER]: this.driver,
      ...(this.container !== undefined && { [CONTAINER]: this.container }),
    };
  }

  /** What the engine is asked for: own containers, and those of runners that use the same tag. */
  get filter(): string {
    return `${CLASSIFIER}=${this.own[CLASSIFIER]}`;
  }

  /** The container of the runner that made one with these labels; undefined: it runs on a host, or nothing is known. */
  runnerContainerOf(labels: Readonly<Record<string, string>>): string | undefined {
    return labels[CONTAINER];
  }

  ownerOf(labels: Readonly<Record<string, string>>): ContainerOwner {
    const instance = labels[INSTANCE] ?? '';
    if (instance === this.instance) return labels[DRIVER] === this.driver ? 'self' : 'other';
    if (this.tag !== undefined) return 'gone';
    const other = parseIdentity(instance);
    return other !== undefined && isKnownGone(other, this.identity) ? 'gone' : 'other';
  }
}

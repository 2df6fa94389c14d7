import { formatIdentity, isKnownGone, ownIdentity, parseIdentity, type RunnerIdentity } from '../runner-identity.js';

const CLASSIFIER = 'fn-agent-classifier';
const INSTANCE = 'fn-agent-instance';
/** Distinguishes the drivers of one process. */
const DRIVER = 'fn-agent-driver';
/** The container that the runner itself runs in, if the same engine created it. */
const CONTAINER = 'fn-agent-container';
/** The tag of containers if the operator configured none. All runners of an engine share it. */
const SHARED_TAG = 'fnfleet';

/** Who created a container: this runner, a runner that is gone, or another or unknown runner, whose containers are left alone. */
export type ContainerOwner = 'self' | 'gone' | 'other';

let drivers = 0;

/**
 * The labels by which a runner recognizes the containers that it may remove.
 *
 * - With a configured tag (FN_CONTAINER_LABEL_TAG), the tag belongs to this runner alone: every container that has it and was
 *   created by another process is orphaned.
 * - Without one, live runners share an engine and a tag: a container is orphaned only if the process that created it is
 *   known to be gone.
 */
export class ContainerLabels {
  /** Identifies this runner process. */
  readonly instance: string;
  private readonly driver = String(++drivers);
  private container: string | undefined;

  constructor(
    private readonly tag: string | undefined,
    private readonly identity: RunnerIdentity = ownIdentity(),
  ) {
    this.instance = formatIdentity(identity);
  }

  /** Records that the runner itself is in this container of the engine. */
  runsIn(containerId: string): void {
    this.container = containerId;
  }

  /** The labels of the containers that this runner creates. */
  get own(): Readonly<Record<string, string>> {
    return {
      [CLASSIFIER]: this.tag ?? SHARED_TAG,
      [INSTANCE]: this.instance,
      [DRIVER]: this.driver,
      ...(this.container !== undefined && { [CONTAINER]: this.container }),
    };
  }

  /** The label filter for own containers and those of runners with the same tag. */
  get filter(): string {
    return `${CLASSIFIER}=${this.own[CLASSIFIER]}`;
  }

  /** The container of the runner that created a container with these labels; undefined if it runs on a host or is unknown. */
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

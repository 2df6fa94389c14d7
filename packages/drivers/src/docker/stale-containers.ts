import type { Logger } from '@fnfleet/core';
import type { Engine } from './engine.js';
import { isNotFound } from './engine-errors.js';
import { formatIdentity, isKnownGone, ownIdentity, parseIdentity, type RunnerIdentity } from './runner-identity.js';

const CLASSIFIER = 'fn-agent-classifier';
const INSTANCE = 'fn-agent-instance';
/** What containers are classified as when the operator chose no tag. All runners of an engine share it. */
const SHARED_TAG = 'fnfleet';

/**
 * Finds the containers that a runner left behind when it was killed.
 *
 * - With a tag of the operator's (FN_CONTAINER_LABEL_TAG), the tag is this runner's alone: every container that has it
 *   and was made by another process is left over.
 * - Without one, runners that live share an engine and a tag: a container is left over only if the process that made it
 *   is known to be gone.
 */
export class StaleContainers {
  readonly labels: Readonly<Record<string, string>>;

  constructor(
    private readonly tag: string | undefined,
    private readonly own: RunnerIdentity = ownIdentity(),
  ) {
    this.labels = { [CLASSIFIER]: tag ?? SHARED_TAG, [INSTANCE]: formatIdentity(own) };
  }

  /** Removes them, running or not. What cannot be removed is logged and stays. */
  async remove(engine: Engine, logger: Logger): Promise<void> {
    const found = await engine.listContainers(`${CLASSIFIER}=${this.labels[CLASSIFIER]}`);
    const stale = found.filter(({ Labels }) => this.isStale(Labels[INSTANCE] ?? ''));
    for (const { Id, Names } of stale) {
      try {
        await engine.removeContainer(Id);
        logger.info('removed a container of an earlier runner', { container: Names[0] });
      } catch (error) {
        if (!isNotFound(error)) logger.warn('cannot remove a container of an earlier runner', { container: Id, error });
      }
    }
  }

  private isStale(instance: string): boolean {
    if (instance === this.labels[INSTANCE]) return false;
    if (this.tag !== undefined) return true;
    const other = parseIdentity(instance);
    return other !== undefined && isKnownGone(other, this.own);
  }
}

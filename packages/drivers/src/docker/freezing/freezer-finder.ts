import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@fnfleet/core';
import { isUnreachable } from '../engine-errors.js';
import { type Freezer, FreezerV1, FreezerV2, freezerPathOf } from './cgroup.js';

export interface FreezerFinderOptions {
  /** Where control groups are mounted, as this process sees it. */
  readonly root: string;
  /** The main process of a container, by the engine's own id. */
  readonly pidOf: (containerId: string) => Promise<number>;
  readonly logger: Logger;
}

/**
 * Finds the freezers of containers. The engine names a container's control group after the container, always in the same
 * way: so it is asked about the first one only.
 *
 * An engine on another machine, or one whose processes are not to be seen from here, is told by the container's id that
 * is missing in the path. Then there is no freezer, and the engine has to be asked for every pause.
 */
export class FreezerFinder {
  private pattern: Promise<Pattern | undefined> | undefined;

  constructor(private readonly options: FreezerFinderOptions) {}

  /** Undefined when it is out of reach. Never rejects. */
  async find(containerId: string): Promise<Freezer | undefined> {
    this.pattern ??= this.learn(containerId);
    const pattern = await this.pattern;
    return pattern && new pattern.Kind(pattern.path.replace(PLACE, containerId));
  }

  private async learn(containerId: string): Promise<Pattern | undefined> {
    const { pidOf, logger, root } = this.options;
    try {
      const pattern = await this.patternOf(await pidOf(containerId), containerId);
      logger.info('containers are frozen through their control groups', { path: pattern.path });
      return pattern;
    } catch (error) {
      // An engine that is away says nothing about control groups: the next container asks again.
      if (isUnreachable(error)) this.pattern = undefined;
      else logger.info('containers are paused through the engine, which takes it longer', { cgroupRoot: root, error });
      return undefined;
    }
  }

  private async patternOf(pid: number, containerId: string): Promise<Pattern> {
    const place = freezerPathOf(await readFile(`/proc/${pid}/cgroup`, 'latin1'));
    if (!place?.path.includes(containerId)) throw new Error(`process ${pid} is not the container's`);
    const { root } = this.options;
    const [directory, Kind, file] =
      place.version === 1
        ? ([join(root, 'freezer', place.path), FreezerV1, 'freezer.state'] as const)
        : ([join(root, place.path), FreezerV2, 'cgroup.freeze'] as const);
    await access(join(directory, file));
    return { path: directory.replace(containerId, PLACE), Kind };
  }
}

const PLACE = '{container}';

interface Pattern {
  readonly path: string;
  readonly Kind: new (directory: string) => Freezer;
}

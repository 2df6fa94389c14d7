import { access, constants, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '@fnfleet/core';
import { isUnreachable } from '../engine-errors.js';
import { type Freezer, FreezerV1, FreezerV2, freezerPathOf } from './cgroup.js';

export interface FreezerFinderOptions {
  /** Where control groups are mounted, as this process sees it. */
  readonly root: string;
  /** The main process of a container, by its id in the engine. */
  readonly pidOf: (containerId: string) => Promise<number>;
  readonly logger: Logger;
}

/**
 * Finds the freezers of containers. The engine always names the control group of a container after the container in the same
 * way, so it is asked only about the first one.
 *
 * If the processes of the engine are invisible, as from within a container, the groups are searched under the names that engines
 * usually give them. If neither is found, as with an engine on another machine, there is no freezer and containers are paused
 * through the engine.
 */
export class FreezerFinder {
  /** How containers are frozen, for operators. */
  way = 'unknown before the first container';
  private pattern: Promise<Pattern | undefined> | undefined;

  constructor(private readonly options: FreezerFinderOptions) {}

  /** Undefined if there is no usable freezer. Never rejects. */
  async find(containerId: string): Promise<Freezer | undefined> {
    this.pattern ??= this.learn(containerId);
    const pattern = await this.pattern;
    return pattern && new pattern.Kind(pattern.path.replace(PLACE, containerId));
  }

  private async learn(containerId: string): Promise<Pattern | undefined> {
    const { pidOf, logger, root } = this.options;
    try {
      const pattern = await this.patternOf(await pidOf(containerId), containerId);
      this.way = 'through control groups';
      logger.info('containers are frozen through their control groups', { path: pattern.path });
      return pattern;
    } catch (error) {
      // An unreachable engine says nothing about control groups, so the next container tries again.
      if (isUnreachable(error)) this.pattern = undefined;
      else {
        this.way = 'through the engine';
        logger.info('containers are paused through the engine, which is slower', { cgroupRoot: root, error });
      }
      return undefined;
    }
  }

  private async patternOf(pid: number, containerId: string): Promise<Pattern> {
    const place = freezerPathOf(await readFile(`/proc/${pid}/cgroup`, 'latin1').catch(() => ''));
    // The process id may belong to another process in our namespace.
    const places = place?.path.includes(containerId) ? [place] : usualPlaces(containerId);
    for (const { version, path } of places) {
      const { Kind, file, mount } = VERSIONS[version];
      const directory = join(this.options.root, mount, path);
      if (await exists(join(directory, file))) return { path: directory.replace(containerId, PLACE), Kind };
    }
    throw new Error(
      `no control group of container ${containerId} below ${this.options.root}: mount the control groups of the host there, writable`,
    );
  }
}

/** Below the mount of its version. */
interface Place {
  readonly version: 1 | 2;
  readonly path: string;
}

/** The patterns of the cgroup drivers cgroupfs and systemd, which apply unless a parent is configured. */
function usualPlaces(containerId: string): Place[] {
  const paths = [`/docker/${containerId}`, `/system.slice/docker-${containerId}.scope`];
  return paths.flatMap((path) => [{ version: 1, path } as const, { version: 2, path } as const]);
}

const VERSIONS = {
  1: { Kind: FreezerV1, file: 'freezer.state', mount: 'freezer' },
  2: { Kind: FreezerV2, file: 'cgroup.freeze', mount: '' },
} as const;

/** Checks write access, because a read-only mount is useless. */
function exists(file: string): Promise<boolean> {
  return access(file, constants.W_OK).then(
    () => true,
    () => false,
  );
}

const PLACE = '{container}';

interface Pattern {
  readonly path: string;
  readonly Kind: new (directory: string) => Freezer;
}

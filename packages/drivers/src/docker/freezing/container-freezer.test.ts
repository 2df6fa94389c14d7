import { HealthState } from '../../driver-health.js';
import { EngineError } from '../engine-errors.js';
import type { Freezer } from './cgroup.js';
import { ContainerFreezer } from './container-freezer.js';
import type { FreezerFinder } from './freezer-finder.js';

describe('freezing while the engine is in trouble', () => {
  let done: string[];
  let refusal: Error | undefined;
  let lost: Error | undefined;
  let health: HealthState;
  /** The freezer of the group has been asked, and how long it takes. */
  let begun: PromiseWithResolvers<void>;
  let hold: Promise<void>;

  beforeEach(() => {
    done = [];
    refusal = undefined;
    lost = undefined;
    begun = Promise.withResolvers();
    hold = Promise.resolve();
    health = new HealthState();
  });

  function aFreezer({ group }: { group: boolean }): ContainerFreezer {
    const freezer: Freezer = {
      freeze: async () => {
        begun.resolve();
        await hold;
        done.push('freeze group');
      },
      thaw: () => {
        if (lost) throw lost;
        done.push('thaw group');
        return undefined;
      },
      close: async () => void done.push('close file'),
    };
    const finder: Pick<FreezerFinder, 'find'> = { find: async () => freezer };
    const engine = {
      pauseContainer: async () => {
        if (refusal) throw refusal;
        done.push('pause');
      },
      resumeContainer: async () => void done.push('resume'),
    };
    return new ContainerFreezer('c', group ? (finder as FreezerFinder) : undefined, engine, health);
  }

  it('a container is thawed when it begins, and not frozen until it ends', async () => {
    const freezer = aFreezer({ group: true });
    await freezer.freeze();
    health.degrade('away');
    await freezer.freeze();
    expect(done).toEqual(['freeze group', 'thaw group']);
    health.recover();
    await freezer.freeze();
    await freezer.close();
    expect(done).toEqual(['freeze group', 'thaw group', 'freeze group', 'thaw group', 'close file']);
    health.degrade('away');
    expect(done).toHaveLength(5);
  });

  it('a call finds its container thawed as soon as it has asked for it, without a turn of the event loop', async () => {
    const freezer = aFreezer({ group: true });
    await freezer.freeze();
    const thawing = freezer.thaw();
    expect(done).toEqual(['freeze group', 'thaw group']);
    await thawing;
    await freezer.freeze();
    void freezer.thaw();
    expect(done).toEqual(['freeze group', 'thaw group', 'freeze group', 'thaw group']);
  });

  it('a control group that is gone neither ends the process nor stays open', async () => {
    const freezer = aFreezer({ group: true });
    await freezer.freeze();
    lost = Object.assign(new Error('no such device'), { code: 'ENODEV' });
    await expect(freezer.thaw()).rejects.toThrow('no such device');
    await expect(freezer.close()).rejects.toThrow('no such device');
    expect(done).toEqual(['freeze group', 'close file']);
  });

  it('a container in the middle of a freeze is thawed after it', async () => {
    const freezer = aFreezer({ group: true });
    const held = Promise.withResolvers<void>();
    hold = held.promise;
    const freezing = freezer.freeze();
    await begun.promise;
    health.degrade('away');
    held.resolve();
    await freezing;
    await freezer.thaw();
    expect(done).toEqual(['freeze group', 'thaw group']);
  });

  it('a container that the engine paused can be resumed only by the engine', async () => {
    const freezer = aFreezer({ group: false });
    await freezer.freeze();
    health.degrade('away');
    health.recover();
    await freezer.thaw();
    expect(done).toEqual(['pause', 'resume']);
  });

  it('a container stays awake if the engine cannot be reached to pause it', async () => {
    const freezer = aFreezer({ group: false });
    refusal = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    await freezer.freeze();
    await freezer.thaw();
    refusal = new EngineError(500, 'cannot freeze');
    await expect(freezer.freeze()).rejects.toThrow('cannot freeze');
    expect(done).toEqual([]);
  });
});

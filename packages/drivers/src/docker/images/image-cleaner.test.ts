import { FakeClock, RecordedMetrics, silentLogger } from '@fnfleet/core';
import { EngineError } from '../engine-errors.js';
import type { LocalImage } from './image-cache.js';
import { ImageCleaner } from './image-cleaner.js';

const metrics = RecordedMetrics.install();
const KIB = 1024;

/** Images of 512 KiB on an engine that a test controls. */
class Machine {
  readonly asked: string[] = [];
  readonly refuses = new Map<string, number>();
  listFailures = 0;

  constructor(readonly ids: string[]) {}

  async listImages(): Promise<readonly LocalImage[]> {
    if (this.listFailures-- > 0) throw new Error('busy');
    return this.ids.map(image);
  }

  async removeImage(id: string): Promise<void> {
    this.asked.push(id);
    const status = this.refuses.get(id);
    if (status !== undefined) throw new EngineError(status, 'refused');
  }
}

function image(id: string): LocalImage {
  return { id, sizeBytes: 512 * KIB, tags: [`${id}:1`] };
}

describe('the image cleaner', () => {
  const clock = new FakeClock();
  let cleaner: ImageCleaner;

  afterEach(async () => {
    await cleaner.close();
    expect(clock.pendingTimers).toBe(0);
    for (const name of GAUGES) expect([name, metrics.sum(name)]).toEqual([name, 0]);
  });

  async function started(machine: Machine, exemptTags: readonly string[] = []): Promise<void> {
    cleaner = new ImageCleaner({ engine: machine, maxBytes: 1024 * KIB, exemptTags, clock, logger: silentLogger });
    cleaner.start();
    await clock.advance(0);
  }

  it('agent-and-docker 68: removes the least recently used images, at most two per second', async () => {
    const machine = new Machine(['a', 'b', 'c', 'd']);
    await started(machine);
    expect(machine.asked).toEqual(['a']);
    await clock.advance(500);
    expect(machine.asked).toEqual(['a', 'b']);
    await clock.advance(60_000);
    expect(machine.asked).toEqual(['a', 'b', 'c']);
  });

  it('reports its levels', async () => {
    await started(new Machine(['a']));
    const release = cleaner.hold(image('b'));
    await clock.advance(60_000);
    expect(GAUGES.map((name) => metrics.sum(name))).toEqual([1, 512 * KIB, 0, 0, 1024 * KIB]);
    release();
  });

  it('removes an image as soon as it is no longer used and there is too much', async () => {
    const machine = new Machine([]);
    await started(machine);
    const releases = ['a', 'b'].map((id) => cleaner.hold(image(id)));
    await clock.advance(60_000);
    expect(machine.asked).toEqual([]);
    releases[1]?.();
    await clock.advance(0);
    expect(machine.asked).toEqual(['b']);
    releases[0]?.();
  });

  it('agent-and-docker 68: does not remove exempt images', async () => {
    const machine = new Machine(['a', 'b', 'c']);
    await started(machine, ['b:1', 'c:1']);
    await clock.advance(60_000);
    expect(machine.asked).toEqual([]);
  });

  it('agent-and-docker 68: continues with the next image when one cannot be removed, and counts a missing one as removed', async () => {
    const machine = new Machine(['a', 'b', 'c', 'd']);
    machine.refuses.set('a', 409).set('b', 404);
    await started(machine);
    await clock.advance(5_000);
    expect(machine.asked).toEqual(['a', 'b', 'c', 'd']);
  });

  it('pauses when none can be removed', async () => {
    const machine = new Machine(['a', 'b', 'c']);
    for (const id of machine.ids) machine.refuses.set(id, 409);
    await started(machine);
    await clock.advance(50_000);
    expect(machine.asked).toEqual(['a', 'b', 'c']);
    await clock.advance(11_700);
    expect(machine.asked).toEqual(['a', 'b', 'c', 'a', 'b']);
  });

  it('retries until it has listed the local images', async () => {
    const machine = new Machine(['a', 'b']);
    machine.listFailures = 2;
    await started(machine);
    await clock.advance(900);
    expect(machine.asked).toEqual([]);
    await clock.advance(100);
    expect(machine.asked).toEqual(['a']);
  });
});

const GAUGES = [
  'image_cleaner_busy_img_count',
  'image_cleaner_busy_img_size',
  'image_cleaner_idle_img_count',
  'image_cleaner_idle_img_size',
  'image_cleaner_max_img_size',
] as const;

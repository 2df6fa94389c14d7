import { type CacheLevels, ImageCache, type LocalImage } from './image-cache.js';

const KIB = 1024;

function anImage(id: string, sizeBytes = 512 * KIB, ...tags: string[]): LocalImage {
  return { id, sizeBytes, tags };
}

function aCache(exemptTags: readonly string[] = []) {
  const seen: { levels: CacheLevels; crowded: boolean }[] = [];
  const cache = new ImageCache({
    maxBytes: 1024 * KIB,
    exemptTags,
    onChange: (levels, crowded) => seen.push({ levels, crowded }),
  });
  return { cache, seen, taken: () => everythingTaken(cache) };
}

function everythingTaken(cache: ImageCache): string[] {
  const ids: string[] = [];
  for (let image = cache.takeLeastRecent(); image; image = cache.takeLeastRecent()) ids.push(image.id);
  return ids;
}

describe('agent-and-docker 68: the images on a machine', () => {
  it('are removed, least recently used first, until there is room', () => {
    const { cache, seen, taken } = aCache();
    for (const id of ['a', 'b', 'c']) cache.saw(anImage(id));
    expect(seen.map(({ crowded }) => crowded)).toEqual([false, true, true]);
    expect(taken()).toEqual(['a', 'b']);
    expect(cache.levels).toEqual({ busyCount: 0, busyBytes: 0, idleCount: 1, idleBytes: 512 * KIB });
    expect(seen.at(-1)?.crowded).toBe(false);
  });

  it('count as used when they are seen again', () => {
    const { cache, taken } = aCache();
    for (const id of ['a', 'b', 'c', 'a']) cache.saw(anImage(id));
    expect(taken()).toEqual(['b', 'c']);
  });

  it('are not removed while they are in use, however little room there is', () => {
    const { cache, taken } = aCache();
    const releases = ['a', 'b', 'c'].map((id) => cache.hold(anImage(id)));
    cache.saw(anImage('b'));
    expect(taken()).toEqual([]);
    cache.saw(anImage('d', 1));
    expect(taken()).toEqual(['d']);
    releases[1]?.();
    expect(taken()).toEqual(['b']);
  });

  it('are in use until every holder releases them', () => {
    const { cache, taken } = aCache();
    const [first, second] = [cache.hold(anImage('a', 2048 * KIB)), cache.hold(anImage('a', 2048 * KIB))];
    expect(cache.levels).toEqual({ busyCount: 1, busyBytes: 2048 * KIB, idleCount: 0, idleBytes: 0 });
    first();
    first();
    expect(taken()).toEqual([]);
    second();
    expect(taken()).toEqual(['a']);
  });

  it('are no longer idle when they are used', () => {
    const { cache, taken } = aCache();
    for (const id of ['a', 'b', 'c']) cache.saw(anImage(id));
    cache.hold(anImage('a'));
    expect(cache.levels).toMatchObject({ busyCount: 1, idleCount: 2 });
    expect(taken()).toEqual(['b', 'c']);
  });

  it('are ignored if they are exempt', () => {
    const { cache, seen, taken } = aCache(['keep:1']);
    cache.saw(anImage('a', 4096 * KIB, 'other:1', 'keep:1'));
    cache.hold(anImage('a', 4096 * KIB, 'keep:1'))();
    expect([seen, taken()]).toEqual([[], []]);
    cache.saw(anImage('b', 4096 * KIB, 'keep:10'));
    expect(taken()).toEqual(['b']);
  });

  it('are tried last after a failed removal', () => {
    const { cache, taken } = aCache();
    for (const id of ['a', 'b', 'c']) cache.saw(anImage(id));
    const first = cache.takeLeastRecent();
    if (first) cache.putBack(first);
    expect(taken()).toEqual(['b', 'c']);
  });

  it('stay in use when a container claims them while their removal fails', () => {
    const { cache, taken } = aCache();
    cache.saw(anImage('a', 4096 * KIB));
    const removing = cache.takeLeastRecent();
    cache.hold(anImage('a', 4096 * KIB));
    if (removing) cache.putBack(removing);
    expect(taken()).toEqual([]);
    expect(cache.levels).toMatchObject({ busyCount: 1, idleCount: 0 });
  });
});

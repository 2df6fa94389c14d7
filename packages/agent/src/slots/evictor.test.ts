import { type Evictable, Evictor } from './evictor.js';

const MB = 1024 * 1024;

describe('the evictor', () => {
  let evicted: string[];

  const candidate = (name: string, memoryMb: number, slotKey = name, cpuMillis = 0, isStandby = false): Evictable => ({
    isStandby,
    slotKey,
    resources: { memoryBytes: memoryMb * MB, cpuMillis },
    evict: () => evicted.push(name),
  });
  const evictorOf = (...candidates: Evictable[]) => {
    const evictor = new Evictor();
    for (const each of candidates) evictor.add(each);
    return evictor;
  };
  const missing = (memoryMb: number, cpuMillis = 0) => ({ memoryBytes: memoryMb * MB, cpuMillis });

  beforeEach(() => {
    evicted = [];
  });

  it('agent-and-docker 46: evicts the longest idle first, only as many as needed', () => {
    const evictor = evictorOf(candidate('a', 50), candidate('b', 50), candidate('c', 50));
    expect(evictor.makeRoom(missing(100), 'other')).toBe(true);
    expect(evicted).toEqual(['a', 'b']);
    expect(evictor.makeRoom(missing(100), 'other')).toBe(false);
    expect(evicted).toEqual(['a', 'b']);
  });

  it('evicts standby containers last', () => {
    const evictor = evictorOf(candidate('a', 50, 'a', 0, true), candidate('b', 50), candidate('c', 50));
    expect(evictor.makeRoom(missing(50), 'other')).toBe(true);
    expect(evictor.makeRoom(missing(100), 'other')).toBe(true);
    expect(evicted).toEqual(['b', 'c', 'a']);
  });

  it('agent-and-docker 46: evicts none when all together are not enough', () => {
    const evictor = evictorOf(candidate('a', 50), candidate('b', 50));
    expect(evictor.makeRoom(missing(101), 'other')).toBe(false);
    expect(evictor.makeRoom(missing(10, 1), 'other')).toBe(false);
    expect(evicted).toEqual([]);
  });

  it('agent-and-docker 46: spares containers with the slot key of the request', () => {
    const evictor = evictorOf(candidate('mine', 50, 'k'), candidate('other', 50));
    expect(evictor.makeRoom(missing(1), 'k')).toBe(true);
    expect(evicted).toEqual(['other']);
  });

  it('agent-and-docker 46: evicts none when nothing is missing', () => {
    expect(evictorOf(candidate('a', 50)).makeRoom(missing(0), 'other')).toBe(true);
    expect(evicted).toEqual([]);
  });

  it('knows how much memory eviction can free', () => {
    const busy = candidate('busy', 50);
    const evictor = evictorOf(busy, candidate('a', 70), candidate('b', 30));
    expect(evictor.memoryBytes).toBe(150 * MB);
    evictor.remove(busy);
    evictor.remove(busy);
    expect(evictor.makeRoom(missing(60), 'other')).toBe(true);
    expect(evictor.memoryBytes).toBe(30 * MB);
  });

  it('needs both memory and CPU to be enough', () => {
    const evictor = evictorOf(
      candidate('memory', 50),
      candidate('cpu', 0, 'cpu', 100),
      candidate('both', 50, 'both', 100),
    );
    expect(evictor.makeRoom(missing(20, 100), 'other')).toBe(true);
    expect(evicted).toEqual(['memory', 'cpu']);
  });

  it('agent-and-docker 48: never evicts a container that occupies nothing or is no longer idle', () => {
    const busy = candidate('busy', 50);
    const evictor = evictorOf(candidate('status', 0), busy);
    evictor.remove(busy);
    expect(evictor.makeRoom(missing(1), 'other')).toBe(false);
  });
});

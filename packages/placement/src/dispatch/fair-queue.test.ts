import { FairQueue, type Queued } from './fair-queue.js';

interface Entry extends Queued {
  readonly name: string;
}

const entry = (appId: string, fnId: string, name: string): Entry => ({ appId, request: { fnId }, name });
const anybody = () => true;

function queueOf(...entries: Entry[]): FairQueue<Entry> {
  const queue = new FairQueue<Entry>();
  for (const one of entries) queue.add(one);
  return queue;
}

function drain(queue: FairQueue<Entry>, canUse: (head: Entry) => boolean = anybody): string[] {
  const names: string[] = [];
  for (let next = queue.take(canUse); next; next = queue.take(canUse)) names.push(next.name);
  return names;
}

describe('a fair queue', () => {
  it('serves one function in order of arrival', () => {
    expect(drain(queueOf(entry('a', 'f', '1'), entry('a', 'f', '2'), entry('a', 'f', '3')))).toEqual(['1', '2', '3']);
  });

  it('an application with many calls waits as long for its turn as one with a single call', () => {
    const many = Array.from({ length: 5 }, (_, i) => entry('big', 'f', `big${i}`));
    const queue = queueOf(...many, entry('small', 'g', 'small'));
    expect(drain(queue).slice(0, 3)).toEqual(['big0', 'small', 'big1']);
  });

  it('rotates between the functions of an application', () => {
    const queue = queueOf(entry('a', 'f', 'f1'), entry('a', 'f', 'f2'), entry('a', 'g', 'g1'), entry('a', 'g', 'g2'));
    expect(drain(queue)).toEqual(['f1', 'g1', 'f2', 'g2']);
  });

  it('a turn that an entry cannot use is not lost for it', () => {
    const queue = queueOf(entry('a', 'big', 'big1'), entry('b', 'small', 'small1'), entry('b', 'small', 'small2'));
    expect(queue.take(({ request }) => request.fnId === 'small')?.name).toBe('small1');
    expect(drain(queue)).toEqual(['big1', 'small2']);
  });

  it('an entry that comes back goes to the front of its function, and one that gives up is removed', () => {
    const queue = queueOf(entry('a', 'f', '1'), entry('a', 'f', '2'));
    const back = entry('a', 'f', 'back');
    const gone = entry('a', 'f', 'gone');
    queue.add(back, true);
    queue.add(gone);
    expect(queue.remove(gone)).toBe(true);
    expect(queue.remove(gone)).toBe(false);
    expect(drain(queue)).toEqual(['back', '1', '2']);
    expect([queue.size, queue.appCount]).toEqual([0, 0]);
  });

  it('drops the newest entry of the application that has most', () => {
    const queue = queueOf(entry('a', 'f', 'a1'), entry('b', 'g', 'b1'), entry('b', 'h', 'b2'), entry('b', 'h', 'b3'));
    expect(queue.dropFromLongest()?.name).toBe('b3');
    expect([queue.size, queue.sizeOf('a'), queue.sizeOf('b')]).toEqual([3, 1, 2]);
    expect(queue.heads().map(({ name }) => name)).toEqual(['a1', 'b1', 'b2']);
  });

  it('knows how many entries each application has, and whether a function has any', () => {
    const queue = queueOf(entry('a', 'f', '1'), entry('a', 'g', '2'), entry('b', 'f', '3'));
    expect([queue.size, queue.appCount, queue.sizeOf('a'), queue.sizeOf('b'), queue.sizeOf('c')]).toEqual([
      3, 2, 2, 1, 0,
    ]);
    const has = (appId: string, fnId: string) => queue.hasFunction(entry(appId, fnId, ''));
    expect([has('a', 'f'), has('a', 'g'), has('b', 'g'), has('c', 'f')]).toEqual([true, true, false, false]);
    queue.take(anybody);
    expect([queue.size, has('a', 'f'), has('a', 'g')]).toEqual([2, false, true]);
    expect([...queue].map(({ name }) => name)).toEqual(['3', '2']);
  });

  it('an entry removed from the middle leaves the order and the turns of the others unchanged', () => {
    const [two, g] = [entry('a', 'f', 'f2'), entry('a', 'g', 'g1')];
    const queue = queueOf(entry('a', 'f', 'f1'), two, entry('a', 'f', 'f3'), g, entry('b', 'h', 'h1'));
    expect([queue.remove(two), queue.remove(g), queue.remove(entry('c', 'f', '?'))]).toEqual([true, true, false]);
    expect(drain(queue)).toEqual(['f1', 'h1', 'f3']);
  });

  it('an application that comes back has its turn after those that stayed', () => {
    const queue = queueOf(entry('a', 'f', 'a1'), entry('b', 'f', 'b1'), entry('b', 'f', 'b2'));
    expect(queue.take(anybody)?.name).toBe('a1');
    queue.add(entry('a', 'f', 'a2'));
    expect(drain(queue)).toEqual(['b1', 'a2', 'b2']);
  });

  it('a turn that nobody can use changes nothing', () => {
    const queue = queueOf(entry('a', 'f', 'a1'), entry('b', 'f', 'b1'));
    expect(queue.take(() => false)).toBeUndefined();
    expect(drain(queue)).toEqual(['a1', 'b1']);
  });

  it('of two equally long applications, the one whose turn comes first loses an entry; of its functions the longest', () => {
    const queue = queueOf(
      entry('a', 'f', 'f1'),
      entry('a', 'g', 'g1'),
      entry('a', 'g', 'g2'),
      entry('b', 'f', 'b1'),
      entry('b', 'f', 'b2'),
      entry('b', 'f', 'b3'),
    );
    const dropped = Array.from({ length: 7 }, () => queue.dropFromLongest()?.name);
    expect(dropped).toEqual(['g2', 'b3', 'f1', 'b2', 'g1', 'b1', undefined]);
    expect([queue.size, queue.appCount, queue.heads()]).toEqual([0, 0, []]);
  });
});

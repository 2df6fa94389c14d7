import { LinkedList } from './linked-list.js';

function listOf(...values: string[]): LinkedList<string> {
  const list = new LinkedList<string>();
  for (const value of values) list.push(value);
  return list;
}

function shown(list: LinkedList<string>) {
  return { values: [...list], head: list.head, tail: list.tail, size: list.size };
}

it('an empty list has no ends', () => {
  expect(shown(listOf())).toEqual({ values: [], head: undefined, tail: undefined, size: 0 });
});

it('values are added at either end', () => {
  const list = listOf('b', 'c');
  list.unshift('a');
  expect(shown(list)).toEqual({ values: ['a', 'b', 'c'], head: 'a', tail: 'c', size: 3 });
});

it('a value added at the front of an empty list is also its end', () => {
  const list = listOf();
  list.unshift('a');
  list.push('b');
  expect(shown(list)).toEqual({ values: ['a', 'b'], head: 'a', tail: 'b', size: 2 });
});

it.each`
  removed        | left
  ${['a']}       | ${['b', 'c', 'd']}
  ${['d']}       | ${['a', 'b', 'c']}
  ${['b']}       | ${['a', 'c', 'd']}
  ${['b', 'c']}  | ${['a', 'd']}
  ${['a', 'd']}  | ${['b', 'c']}
  ${[...'abc']}  | ${['d']}
  ${[...'dcba']} | ${[]}
`('without $removed, $left stay in their order, and more can be added at both ends', ({ removed, left }) => {
  const list = listOf('a', 'b', 'c', 'd');
  for (const value of removed) expect(list.delete(value)).toBe(true);
  expect(shown(list)).toEqual({ values: left, head: left[0], tail: left.at(-1), size: left.length });
  list.unshift('first');
  list.push('last');
  expect([...list]).toEqual(['first', ...left, 'last']);
});

it('a value that is not in the list cannot be removed', () => {
  const list = listOf('a');
  expect(list.delete('b')).toBe(false);
  list.delete('a');
  expect(list.delete('a')).toBe(false);
  expect(shown(list)).toEqual({ values: [], head: undefined, tail: undefined, size: 0 });
});

// needs: nothing
import { type Ids, missingFrom, withIds } from './shown-output.js';

const CART = '01M8DTH50VR00040KW70000004';
const HERE = '01M8DTKW5RR00040KW74000009';

const missing = (printed: string, ...shown: string[]) => missingFrom(printed, shown, new Map());

it.each([
  ['a date and a duration', '2026-11-27T06:20:51.768Z took 12.4 ms', '2026-01-01T00:00:00.000Z took 1 ms'],
  ['columns of another width', 'a   b', 'a b'],
  ['a part that is left out', 'one two three', 'one … three'],
  [
    'either runner',
    'on unix:/tmp/e2e-1/tmp/fnfleet-x/runner1: offered',
    'on unix:/tmp/fnfleet-4fZk2q/runner2: offered',
  ],
])('takes %s for the same', (_, printed, shown) => expect(missing(printed, shown)).toBeUndefined());

it('names the line that is not there', () => {
  expect(missing('a\nb', 'a', 'c')).toBe('c');
  expect(missing('status 200', 'status 404')).toBe('status 404');
  expect(missing('a\nx\nb', 'a', 'b')).toBe('b');
});

it('wants nothing more than what is shown, unless there is a gap', () => {
  expect(missing('a\nb', 'a')).toContain('there is: b');
  expect(missing('a\nx\ny\nb\nz', 'a', '…', 'b', '…')).toBeUndefined();
});

it('learns what an id is called here, and holds the page to it', () => {
  const ids: Ids = new Map();
  expect(missingFrom(`at /invoke/${HERE}`, [`at /invoke/${CART}`], ids)).toBeUndefined();
  expect(withIds(`curl /invoke/${CART}`, ids)).toBe(`curl /invoke/${HERE}`);
  expect(missingFrom(`id ${HERE.replace('9', '8')}`, [`id ${CART}`], ids)).toBe(`id ${CART}`);
});

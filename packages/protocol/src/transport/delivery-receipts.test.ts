import { DeliveryReceipts } from './delivery-receipts.js';

let pings: (() => void)[];
let atTurnEnd: (() => void)[];
let read: string[];
let receipts: DeliveryReceipts;

beforeEach(() => {
  pings = [];
  atTurnEnd = [];
  read = [];
  receipts = new DeliveryReceipts({
    ping: (answered) => pings.push(answered),
    beforeFlush: (callback) => atTurnEnd.push(callback),
  });
});

function turn(...names: string[]): void {
  for (const name of names) receipts.request(() => read.push(name));
  for (const callback of atTurnEnd.splice(0)) callback();
}

it('all calls that start in one turn share a PING, and all get their receipts with its answer', () => {
  turn('a', 'b', 'c', 'd', 'e', 'f');
  expect(pings).toHaveLength(1);
  turn('g');
  expect(pings).toHaveLength(2);
  pings[0]?.();
  expect(read.join('')).toBe('abcdef');
  pings[1]?.();
  expect(read.join('')).toBe('abcdefg');
});

it('while four PINGs are unanswered, calls wait for the next one and share it', () => {
  for (const name of ['a', 'b', 'c', 'd', 'e', 'f']) turn(name);
  expect(pings).toHaveLength(4);
  pings[1]?.();
  expect(read).toEqual(['b']);
  turn('g');
  expect(pings).toHaveLength(5);
  pings[4]?.();
  expect(read).toEqual(['b', 'e', 'f', 'g']);
});

import { Listeners } from './listeners.js';

let listeners: Listeners<[what: string]>;
let heard: string[];
beforeEach(() => {
  listeners = new Listeners();
  heard = [];
});

const subscribe = (name: string) => listeners.subscribe((what) => heard.push(`${name} ${what}`));

it('every listener receives an event, in the order of subscription', () => {
  subscribe('a');
  subscribe('b');
  listeners.emit('x');
  expect(heard).toEqual(['a x', 'b x']);
});

it('a listener that unsubscribes receives nothing more, and doing so twice affects no other', () => {
  const unsubscribe = subscribe('a');
  subscribe('b');
  unsubscribe();
  unsubscribe();
  listeners.emit('x');
  expect(heard).toEqual(['b x']);
  expect(listeners.isEmpty).toBe(false);
});

it('the same listener may be subscribed twice, and each subscription ends by itself', () => {
  const listener = (what: string) => heard.push(what);
  const [first, second] = [listeners.subscribe(listener), listeners.subscribe(listener)];
  first();
  listeners.emit('x');
  expect(heard).toEqual(['x']);
  second();
  expect(listeners.isEmpty).toBe(true);
});

it('a listener that unsubscribes during an event takes nothing from the others', () => {
  const unsubscribe = listeners.subscribe(() => unsubscribe());
  subscribe('b');
  listeners.emit('x');
  expect(heard).toEqual(['b x']);
});

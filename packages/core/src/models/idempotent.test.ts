import { wallMs } from '../clock.js';
import { newFn } from '../resources/fn.js';
import { isIdempotent } from './idempotent.js';

const input = (annotations: Record<string, unknown>) => ({ name: 'f', appId: 'app', image: 'img', annotations });

it.each([true, false])('a function may allow its calls to run again: %s', (value) => {
  const fn = newFn(input({ 'fnfleet/idempotent': value }), 'id', wallMs(1000));
  expect(isIdempotent(fn.annotations)).toBe(value);
});

it.each(['true', 1, {}])('a value that is neither true nor false is rejected: %p', (value) => {
  expect(() => newFn(input({ 'fnfleet/idempotent': value }), 'id', wallMs(1000))).toThrow(
    'annotation fnfleet/idempotent is not valid. It should be true or false',
  );
  // It may have bypassed the API.
  expect(isIdempotent({ 'fnfleet/idempotent': value })).toBe(false);
});

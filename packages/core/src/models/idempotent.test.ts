import { wallMs } from '../clock.js';
import { newFn } from './fn.js';
import { isIdempotent } from './idempotent.js';

const input = (annotations: Record<string, unknown>) => ({ name: 'f', appId: 'app', image: 'img', annotations });

it.each([true, false])('a function may say that its calls may run again: %s', (value) => {
  const fn = newFn(input({ 'fnfleet/idempotent': value }), 'id', wallMs(1000));
  expect(isIdempotent(fn.annotations)).toBe(value);
});

it.each(['true', 1, {}])('what is neither true nor false is not taken: %p', (value) => {
  expect(() => newFn(input({ 'fnfleet/idempotent': value }), 'id', wallMs(1000))).toThrow(
    'annotation fnfleet/idempotent is not valid. It should be true or false',
  );
  // It may have come past the API.
  expect(isIdempotent({ 'fnfleet/idempotent': value })).toBe(false);
});
